"""The loader of GPTQ models by AutoGPTQ."""

from __future__ import annotations

import sys
from typing import ClassVar

from jackfield import (
    Environment,
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
from jackfield_loaders.autogptq.options import AutoGptqOptions
from jackfield_loaders.gptq.placing import placed
from jackfield_loaders.transformers.facts import Facts

RUNTIME = 600_000_000
"""Bytes of the worker's interpreter with PyTorch, Transformers and AutoGPTQ imported."""

NEWEST_PYTHON = (3, 11)
"""The last that AutoGPTQ has packages for."""


class AutoGptqLoader(Loader):
    """Opens GPTQ checkpoints with AutoGPTQ, one request at a time."""

    name: ClassVar[str] = "autogptq"
    folders: ClassVar[tuple[str, ...]] = ("safetensors",)
    Options: ClassVar[type[LoadOptions]] = AutoGptqOptions
    environment: ClassVar[Environment | None] = Environment(
        (
            "auto-gptq==0.7.1",
            "transformers==4.46.3",
            "peft<0.14",
            "accelerate==0.34.2",
            "llguidance>=1.9",
            "numpy>=2",
            "torch==2.13.0",
        )
    )

    def probe(self, files: ModelFiles) -> Match | None:
        """Folders of causal language models that GPTQ quantized, after the loaders in use."""
        facts = Facts(files)
        if files.format != "safetensors" or facts.method != "gptq" or not facts.generates:
            return None
        return Match(20, "a GPTQ checkpoint; AutoGPTQ is no longer kept up")

    def settle(self, files: ModelFiles, options: AutoGptqOptions, machine: Machine) -> Settled:
        """Choose the device and the threads.

        Raises:
            LoadFailed: AutoGPTQ has no package for this Python.
        """
        if sys.version_info[:2] > NEWEST_PYTHON:
            here = ".".join(map(str, sys.version_info[:2]))
            raise LoadFailed(
                f"AutoGPTQ has no package for Python {here}; the last one is for 3.11.",
                hint="Load the model with the loader gptq, which opens the same checkpoints.",
            )
        return placed(self, files, options, machine)

    def estimate(self, files: ModelFiles, options: AutoGptqOptions) -> MemoryEstimate:
        """The short weights with full embeddings, one KV cache, and what the libraries take."""
        facts = Facts(files)
        on_cpu = options.device == "cpu"
        size = 4 if on_cpu else 2
        floating = sum(count for name, count in facts.tensors.items() if name != "I32")
        weights = 4 * facts.tensors.get("I32", 0) + floating * size if floating else files.size
        cache = facts.position_numbers * size * facts.context(options.n_ctx)
        if on_cpu:
            return MemoryEstimate(weights, cache, RUNTIME)
        there = MemoryEstimate(0, 0, 2 * RUNTIME)
        return MemoryEstimate(weights, cache, 0, options.device, (there,))

    def load(self, files: ModelFiles, options: AutoGptqOptions) -> LoadedModel:
        """Open the model with AutoGPTQ."""
        from jackfield_loaders.autogptq.opening import opened

        return opened(files, options)
