"""Where a GPTQ model is put."""

from __future__ import annotations

from typing import Any

from jackfield import Loader, Machine, ModelFiles, Settled


def placed(loader: Loader, files: ModelFiles, options: Any, machine: Machine) -> Settled:
    """Options with a device and a number of threads; the first accelerator that has room."""
    chosen = options.model_copy()
    reasons = []
    if chosen.device == "cuda":
        chosen.device = "cuda:0"
    if chosen.device == "auto":
        chosen.device, reason = _device(loader, files, chosen, machine)
        reasons.append(reason)
    if not chosen.threads:
        chosen.threads = machine.cores
        reasons.append(f"{machine.cores} threads: one for each core.")
    return Settled(chosen, tuple(reasons))


def _device(loader: Loader, files: ModelFiles, options: Any, machine: Machine) -> tuple[str, str]:
    for device in machine.accelerators:
        there = options.model_copy(update={"device": device.name})
        need = loader.estimate(files, there).on(device.name)
        if need <= device.free:
            return (
                device.name,
                f"Device {device.name}: the {device.title} has room for {need / 1e9:.1f} GB.",
            )
    if machine.accelerators:
        return "cpu", "The processor: the model does not fit on a graphics card that is here."
    return "cpu", "The processor: no graphics card was found."
