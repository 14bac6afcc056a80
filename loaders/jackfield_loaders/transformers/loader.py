"""The loader of models in the Hugging Face format."""

from __future__ import annotations

from typing import ClassVar

from jackfield import (
    LoadedModel,
    Loader,
    LoadFailed,
    LoadOptions,
    Machine,
    Match,
    MemoryEstimate,
    ModelFiles,
    Settled,
)
from jackfield_loaders.transformers import facts
from jackfield_loaders.transformers.options import TransformersOptions

SCORES = {"safetensors": 60, "pickle": 40, "gguf": 30}
"""How well each format is opened: whoever is made for it goes first."""


class TransformersLoader(Loader):
    """Opens causal language models with Transformers."""

    name: ClassVar[str] = "transformers"
    folders: ClassVar[tuple[str, ...]] = ("safetensors", "pickle")
    Options: ClassVar[type[LoadOptions]] = TransformersOptions
    extra: ClassVar[str] = "jackfield[transformers]"

    def probe(self, files: ModelFiles) -> Match | None:
        """Folders of causal language models; GGUF files for who asks for this loader."""
        score = SCORES.get(files.format, 0)
        if not score:
            return None
        if files.format == "gguf":
            return Match(score, "Transformers turns GGUF files back into full weights")
        known = facts.Facts(files)
        if not known.generates:
            return None
        what = known.architectures[0]
        if known.method:
            return Match(score - 10, f"a {what} folder, quantized by {known.method}")
        return Match(score, f"a {what} folder")

    def settle(self, files: ModelFiles, options: TransformersOptions, machine: Machine) -> Settled:
        """Choose the device, the number format and the threads."""
        chosen = options.model_copy()
        reasons = [_device(files, chosen, machine), _dtype(files, chosen)]
        if not chosen.threads:
            chosen.threads = machine.cores
            reasons.append(f"{machine.cores} threads: one for each core.")
        return Settled(chosen, tuple(reason for reason in reasons if reason))

    def estimate(self, files: ModelFiles, options: TransformersOptions) -> MemoryEstimate:
        """Weights, KV cache of all slots, and what the libraries take."""
        return facts.estimate(files, options)

    def load(self, files: ModelFiles, options: TransformersOptions) -> LoadedModel:
        """Refuse what was not granted, then open the model."""
        known = facts.Facts(files)
        if known.own_code and not options.trust_remote_code:
            raise LoadFailed(
                f"{files.path.name!r} wants to run Python code of its own on this computer.",
                hint="If you trust its author, set the load option trust_remote_code.",
            )
        if files.format == "pickle" and not options.allow_pickle:
            raise LoadFailed(
                f"The weights of {files.path.name!r} are pickle files.",
                hint="Look for the same model as safetensors, or set the load option allow_pickle.",
            )
        from jackfield_loaders.transformers.opening import opened

        return opened(files, options)


def _device(files: ModelFiles, options: TransformersOptions, machine: Machine) -> str:
    if options.device != "auto":
        if options.device == "cuda":
            options.device = "cuda:0"
        return ""
    for device in machine.accelerators:
        tried = options.model_copy(update={"device": device.name})
        need = facts.estimate(files, tried).on(device.name)
        if need <= device.free:
            options.device = device.name
            return f"Device {device.name}: the {device.title} has room for {need / 1e9:.1f} GB."
    options.device = "cpu"
    if machine.accelerators:
        return "The processor: the model does not fit on a graphics card that is here."
    return "The processor: no graphics card was found."


def _dtype(files: ModelFiles, options: TransformersOptions) -> str:
    if options.dtype != "auto":
        return ""
    saved = facts.Facts(files).saved_as
    if saved == "float16" and options.device == "cpu":
        options.dtype = "bfloat16"
        return "bfloat16: processors compute float16, as the weights are saved, badly."
    if saved == "float32" and options.device != "cpu":
        options.dtype = "bfloat16"
        return "bfloat16: half the memory of float32, as the weights are saved, and faster."
    options.dtype = saved  # type: ignore[assignment]  # saved_as gives one of the three
    return f"{saved}: as the weights are saved."
