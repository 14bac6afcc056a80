"""The loader of GGUF files."""

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
from jackfield_loaders.gguf import estimate, header, settling
from jackfield_loaders.gguf.options import GgufOptions
from jackfield_loaders.gguf.pooling import pooling, pooling_of, purpose

NOT_MODELS = {
    "clip": "a projector that lets another model see or hear",
    "imatrix": "a record for quantizing models",
}
"""Architectures of GGUF files that write no text, and what they are."""

EXTRAS = {"xllamacpp": "jackfield[gguf]", "llama-cpp-python": "jackfield[gguf-python]"}


class GgufLoader(Loader):
    """Opens GGUF files with llama.cpp."""

    name: ClassVar[str] = "gguf"
    extensions: ClassVar[tuple[str, ...]] = ("gguf",)
    Options: ClassVar[type[LoadOptions]] = GgufOptions
    extra: ClassVar[str] = "jackfield[gguf]"

    def probe(self, files: ModelFiles) -> Match | None:
        """Any GGUF file, unless its metadata say that it is a part of something else."""
        if files.format != "gguf" or what_else(files):
            return None
        architecture = files.metadata.get("general.architecture")
        reason = f"a GGUF file, architecture {architecture or 'unknown'}"
        # A model that writes can be made one for embeddings by an option.
        found = pooling_of(files)
        return Match(100, reason, purpose(found) if found else frozenset())

    def settle(self, files: ModelFiles, options: GgufOptions, machine: Machine) -> Settled:
        """Threads, layers on graphics cards, and a context that fits."""
        gpu = settling.can_use_gpu(options.engine)
        return settling.settle(files, options, machine, gpu=gpu)

    def estimate(self, files: ModelFiles, options: GgufOptions) -> MemoryEstimate:
        """Weights, KV cache of all slots, and what the engine needs to compute."""
        return estimate.estimate(files, options)

    def load(self, files: ModelFiles, options: GgufOptions) -> LoadedModel:
        """Check the file, then give it to the chosen engine."""
        header.check(files.path)
        if what := what_else(files):
            raise LoadFailed(
                f"{files.path.name!r} is not a model but {what}.",
                hint="Load the model that it belongs to.",
            )
        try:
            return _opened(files, options)
        except ImportError as error:
            raise LoadFailed(
                f"The engine {options.engine!r} cannot be imported: {error}.",
                hint=f"Install it with: pip install '{EXTRAS[options.engine]}'",
            ) from error
        except LoadFailed as error:
            raise explained(error, files) from error


def _opened(files: ModelFiles, options: GgufOptions) -> LoadedModel:
    """The model in the chosen engine, made for what it is to do."""
    pooled = bool(pooling(files, options))
    if options.engine == "xllamacpp":
        if pooled:
            from jackfield_loaders.gguf.xllamacpp_vectors import XllamacppVectors

            return XllamacppVectors(files, options)
        from jackfield_loaders.gguf.xllamacpp_engine import XllamacppModel

        return XllamacppModel(files, options)
    if pooled:
        from jackfield_loaders.gguf.llama_cpp_vectors import LlamaCppVectors

        return LlamaCppVectors(files, options)
    from jackfield_loaders.gguf.llama_cpp_engine import LlamaCppModel

    return LlamaCppModel(files, options)


def what_else(files: ModelFiles) -> str:
    """What a GGUF file is that is not a model; "" for a model."""
    architecture = str(files.metadata.get("general.architecture", ""))
    kind = str(files.metadata.get("general.type", "model"))
    if kind == "adapter":
        return "a LoRA adapter"
    return NOT_MODELS.get(architecture, NOT_MODELS.get(kind, ""))


def explained(error: LoadFailed, files: ModelFiles) -> LoadFailed:
    """The failure with its likely reason: the engines only say it in their log."""
    from gguf.constants import MODEL_ARCH_NAMES

    architecture = str(files.metadata.get("general.architecture", ""))
    if architecture and architecture not in MODEL_ARCH_NAMES.values():
        return LoadFailed(
            f"{error.message} It is of the architecture {architecture!r}, which llama.cpp is not "
            "known to support.",
            hint="Update the engine, or choose another model.",
        )
    return LoadFailed(error.message, hint=error.hint or "The model's log says why.")
