"""Chooses what the user left to the loader: threads, layers on graphics cards, the context."""

from __future__ import annotations

import functools
import importlib.util
import mmap
import sys
from pathlib import Path
from typing import Any

from jackfield import Device, Machine, ModelFiles, Settled
from jackfield_loaders.gguf.estimate import devices, estimate
from jackfield_loaders.gguf.options import GgufOptions
from jackfield_loaders.gguf.shape import Facts

MODULES = {"xllamacpp": "xllamacpp", "llama-cpp-python": "llama_cpp"}

GPU_MARKS = (b"ggml_backend_cuda_", b"ggml_backend_vk_", b"ggml_backend_sycl_")
"""Names in the libraries of builds for graphics cards; builds for AMD's use the first."""

SHORTEST = 512
"""Tokens of context below which a model is of no use: rather refuse it."""

STEP = 256
"""The engine rounds contexts up to this."""


def settle(files: ModelFiles, options: GgufOptions, machine: Machine, *, gpu: bool) -> Settled:
    """Options without automatic values, and why.

    Args:
        machine: the computer, with that much of each device free as the model may take.
        gpu: the engine can use graphics cards.
    """
    reasons: list[str] = []
    chosen = _threads(options, machine, reasons)
    context = chosen.context(Facts(files.metadata).trained)
    chosen = _with(chosen, n_ctx=context) if context != chosen.n_ctx else chosen
    chosen = _layers(files, chosen, machine, gpu, reasons)
    shorter = chosen
    # A context that the user asked for is not shortened: the load is refused with the numbers.
    if not options.n_ctx or "n_ctx" not in options.model_fields_set:
        shorter = _shorter(files, chosen, machine)
    if reason := _context_reason(files, options, chosen.n_ctx, shorter.n_ctx, machine):
        reasons.append(reason)
    return Settled(shorter, tuple(reasons))


def _with(options: GgufOptions, **changes: Any) -> GgufOptions:
    return options.model_copy(update=changes)


def _threads(options: GgufOptions, machine: Machine, reasons: list[str]) -> GgufOptions:
    if options.n_threads:
        return options
    reasons.append(f"Threads {machine.cores}: one for each core.")
    return _with(options, n_threads=machine.cores)


def _context_reason(
    files: ModelFiles, asked: GgufOptions, whole: int, chosen: int, machine: Machine
) -> str:
    """Why the context is not what was asked for; "" if it is.

    Args:
        whole: tokens, as far as the model was trained.
        chosen: tokens that fit.
    """
    if chosen < whole:
        memory = machine.device("cpu")
        room = f" into the {memory.free / 1e9:.1f} GB that are free" if memory else ""
        each = f" for each of {asked.slots} requests" if asked.slots > 1 else ""
        return f"Context {chosen:,} instead of {whole:,}{each}: so that it fits{room}."
    if whole == asked.n_ctx:
        return ""
    if asked.n_ctx:
        return f"Context {whole:,} instead of {asked.n_ctx:,}: the model was trained for no more."
    if Facts(files.metadata).trained:
        return f"Context {whole:,}: what the model was trained for."
    return f"Context {whole:,}: its file does not say what it was trained for."


def _layers(
    files: ModelFiles, options: GgufOptions, machine: Machine, gpu: bool, reasons: list[str]
) -> GgufOptions:
    """How many layers go where."""
    if not gpu:
        if options.n_gpu_layers:
            cards = " though there is a graphics card" if machine.accelerators else ""
            reasons.append(f"On the processor{cards}: this build of {options.engine} uses no GPU.")
        return _with(options, n_gpu_layers=0)
    if not machine.accelerators or options.n_gpu_layers == 0:
        return options  # cards that are not NVIDIA's are the engine's own affair
    whole = Facts(files.metadata).layers + 1
    placed = _placed(options, machine)
    if options.n_gpu_layers > 0:
        return placed  # the user's number; where they go is known now
    fitting = _most(files, placed, machine, whole)
    for one in machine.accelerators if _free_to_choose(options) else ():
        alone = _with(options, split_mode="none", main_gpu=_number(one))
        on_one = _most(files, alone, machine, whole)
        if on_one == whole or on_one > fitting:
            placed, fitting = alone, on_one
            break  # one card is faster than several
    chosen = _with(placed, n_gpu_layers=fitting)
    reasons.append(_why(files, chosen, machine, whole))
    return chosen if fitting else _with(options, n_gpu_layers=0)


def _free_to_choose(options: GgufOptions) -> bool:
    return options.split_mode != "none" and not options.tensor_split


def _placed(options: GgufOptions, machine: Machine) -> GgufOptions:
    """With a share for each card, by its free memory, where the model may be spread."""
    if not _free_to_choose(options):
        return options
    cards = {_number(one): one for one in machine.accelerators}
    if len(cards) == 1:
        return _with(options, split_mode="none", main_gpu=next(iter(cards)))
    free = [round(cards[n].free / 1e9, 2) if n in cards else 0.0 for n in range(max(cards) + 1)]
    return _with(options, tensor_split=free[:16])


def _number(device: Device) -> int:
    return int(device.name.rpartition(":")[2])


def _most(files: ModelFiles, options: GgufOptions, machine: Machine, whole: int) -> int:
    """The most layers with which every card has room; 0 for none."""
    for layers in range(whole, 0, -1):
        need = estimate(files, _with(options, n_gpu_layers=layers))
        cards = {name: machine.device(name) for name in devices(options)}
        if all(one is not None and need.on(name) <= one.free for name, one in cards.items()):
            return layers
    return 0


def _why(files: ModelFiles, options: GgufOptions, machine: Machine, whole: int) -> str:
    need = estimate(files, options).by_device()
    names = [name for name in devices(options) if machine.device(name)]
    free = {one.name: one.free for one in machine.accelerators}
    there = " and ".join(
        f"{name} needs {need.get(name, 0) / 1e9:.1f} of its {free[name] / 1e9:.1f} GB free"
        for name in names
    )
    if not options.n_gpu_layers:
        return "On the processor: not one layer and its context fit on a graphics card."
    where = " and ".join(names)
    if options.n_gpu_layers == whole:
        return f"All {whole - 1} layers on {where}: {there}."
    return (
        f"{options.n_gpu_layers} of {whole - 1} layers on {where}, the others on the processor, "
        f"so that it fits: {there}."
    )


def _shorter(files: ModelFiles, options: GgufOptions, machine: Machine) -> GgufOptions:
    """With the longest context that fits, if any does."""

    def fits(context: int) -> bool:
        needs = estimate(files, _with(options, n_ctx=context)).by_device()
        return all(
            need <= one.free for name, need in needs.items() if (one := machine.device(name))
        )

    if fits(options.n_ctx) or options.n_ctx <= SHORTEST or not fits(SHORTEST):
        return options
    low, high = SHORTEST // STEP, -(-options.n_ctx // STEP)  # fits, does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle * STEP) else (low, middle)
    return _with(options, n_ctx=low * STEP)


def can_use_gpu(engine: str) -> bool:
    """Whether the installed build of an engine was made for graphics cards."""
    if sys.platform == "darwin":
        return True  # Metal is in every build
    found = importlib.util.find_spec(MODULES[engine])
    folders = found.submodule_search_locations if found is not None else None
    return any(_marked(Path(folder)) for folder in folders or ())


@functools.cache
def _marked(folder: Path) -> bool:
    """Whether a native library in a package has one of the marks; looked up once a process."""
    names = ("*.so*", "*.pyd", "*.dll")
    for path in (one for name in names for one in folder.rglob(name)):
        if path.stat().st_size:
            with (
                path.open("rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
            ):
                if any(data.find(mark) >= 0 for mark in GPU_MARKS):
                    return True
    return False
