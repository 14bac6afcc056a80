"""The loader of GPTQ models."""

from __future__ import annotations

from typing import ClassVar

from jackfield import (
    LoadedModel,
    Loader,
    LoadOptions,
    Machine,
    Match,
    MemoryEstimate,
    ModelFiles,
    Settled,
)
from jackfield_loaders.gptq.options import GptqOptions
from jackfield_loaders.gptq.placing import placed
from jackfield_loaders.transformers.facts import Facts

RUNTIME = 700_000_000
"""Bytes of the worker's interpreter with PyTorch, Transformers and GPTQModel imported."""


class GptqLoader(Loader):
    """Opens GPTQ checkpoints with GPTQModel's kernels."""

    name: ClassVar[str] = "gptq"
    folders: ClassVar[tuple[str, ...]] = ("safetensors",)
    Options: ClassVar[type[LoadOptions]] = GptqOptions
    extra: ClassVar[str] = "jackfield[gptq]"

    def probe(self, files: ModelFiles) -> Match | None:
        """Folders of causal language models that GPTQ quantized."""
        facts = Facts(files)
        if files.format != "safetensors" or facts.method != "gptq" or not facts.generates:
            return None
        return Match(80, "a GPTQ checkpoint")

    def settle(self, files: ModelFiles, options: GptqOptions, machine: Machine) -> Settled:
        """Choose the device and the threads."""
        return placed(self, files, options, machine)

    def estimate(self, files: ModelFiles, options: GptqOptions) -> MemoryEstimate:
        """The short weights, the KV cache of all slots, and what the libraries take."""
        facts = Facts(files)
        positions = facts.context(options.n_ctx) * options.parallel
        size = 4 if options.device == "cpu" else 2
        cache = facts.position_numbers * size * positions
        if options.device == "cpu":
            return MemoryEstimate(files.size, cache, RUNTIME)
        there = MemoryEstimate(0, 0, 2 * RUNTIME)
        return MemoryEstimate(files.size, cache, 0, options.device, (there,))

    def load(self, files: ModelFiles, options: GptqOptions) -> LoadedModel:
        """Open the model with GPTQModel."""
        from jackfield_loaders.gptq.opening import opened

        return opened(files, options)
