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
from jackfield_loaders.transformers import facts, memory, placing
from jackfield_loaders.transformers.options import TransformersOptions

SCORES = {"safetensors": 60, "pickle": 40, "gguf": 30}
"""How well each format is opened: whoever is made for it goes first."""


class TransformersLoader(Loader):
    """Opens causal language models and sequence-to-sequence models with Transformers."""

    name: ClassVar[str] = "transformers"
    folders: ClassVar[tuple[str, ...]] = ("safetensors", "pickle")
    Options: ClassVar[type[LoadOptions]] = TransformersOptions
    extra: ClassVar[str] = "jackfield[transformers]"

    def probe(self, files: ModelFiles) -> Match | None:
        """Folders of models that write; GGUF files for who asks for this loader."""
        score = SCORES.get(files.format, 0)
        if not score:
            return None
        if files.format == "gguf":
            return Match(score, "Transformers turns GGUF files back into full weights")
        known = facts.Facts(files)
        if not (known.generates or known.seq2seq):
            return None
        what = known.architectures[0]
        if known.method:
            return Match(score - 10, f"a {what} folder, quantized by {known.method}")
        return Match(score, f"a {what} folder")

    def settle(self, files: ModelFiles, options: TransformersOptions, machine: Machine) -> Settled:
        """Choose the devices, the number format and the threads."""
        return placing.settle(files, options, machine)

    def estimate(self, files: ModelFiles, options: TransformersOptions) -> MemoryEstimate:
        """Weights, KV cache of all slots, and what the libraries take."""
        return memory.estimate(files, options)

    def load(self, files: ModelFiles, options: TransformersOptions) -> LoadedModel:
        """Refuse what was not granted, then open the model."""
        known = facts.Facts(files)
        if known.own_code and not options.trust_remote_code and not _is_known(known.kind):
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


def _is_known(kind: str) -> bool:
    """Whether Transformers has code of its own for a kind of model, and needs none beside it."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return kind in CONFIG_MAPPING_NAMES
