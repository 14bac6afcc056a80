"""How the benchmarks are run, and where."""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

N_CTX = 1024
PARALLEL = 8
LONGEST = 90.0
"""Seconds after which a benchmark begins no further round."""


@dataclass(frozen=True)
class Setting:
    """What all benchmarks share.

    Attributes:
        model: a GGUF file.
        folder: the same model in safetensors.
        embedder: the folder of an embedding model.
        rounds: how many pairs are measured.
        tokens: length of a reply.
        threads: the engines' threads.
        device: ``cpu`` or an accelerator, e.g. ``cuda``.
        translator: the folder of an opus-mt model.
    """

    model: Path
    folder: Path
    embedder: Path
    rounds: int
    tokens: int
    threads: int
    device: str = "cpu"
    translator: Path = Path("none")

    @property
    def layers(self) -> int:
        """How many layers llama.cpp puts on the accelerator."""
        return 0 if self.device == "cpu" else 999

    @property
    def dtype(self) -> str:
        """The data type in which the safetensors are run, by us and by those we compare with."""
        return "float32" if self.device == "cpu" else "bfloat16"

    @property
    def options(self) -> dict[str, int]:
        """Load options of the GGUF loader; the other engines get the same numbers."""
        return {
            "n_ctx": N_CTX,
            "parallel": PARALLEL,
            "n_threads": self.threads,
            "n_gpu_layers": self.layers,
        }

    @property
    def transformers_options(self) -> dict[str, str | int]:
        """Load options of the Transformers loader."""
        return {
            "n_ctx": N_CTX,
            "parallel": PARALLEL,
            "device": self.device,
            "dtype": self.dtype,
            "threads": self.threads,
        }

    @property
    def environment(self) -> dict[str, str]:
        """For processes that compute with torch: our threads, and no network."""
        threads = {name: str(self.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        return os.environ | threads | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

    def paced(self, seconds: float = LONGEST) -> Iterator[int]:
        """Numbers of the rounds to measure: fewer where they take long, at least two."""
        begun = time.perf_counter()
        for number in range(self.rounds):
            if number >= 2 and time.perf_counter() - begun > seconds:
                return
            yield number


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def threads() -> int:
    """Physical cores that this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(psutil.cpu_count(logical=False) or 1, usable or 1)


def machine() -> str:
    """The machine and the versions, in a sentence or two."""
    from jackfield.machine import Machine

    memory = psutil.virtual_memory().total / 1e9
    cards = "".join(
        f"{card.title} with {card.total / 1e9:.0f} GB, " for card in Machine.now().accelerators
    )
    versions = ", ".join(
        f"{name} {metadata.version(name)}"
        for name in ("jackfield", "xllamacpp", "llama-cpp-python", "torch", "transformers")
        if _installed(name)
    )
    return (
        f"{processor()}, {threads()} physical and {os.cpu_count()} logical cores, "
        f"{memory:.0f} GB of memory, {cards}{platform.system()} {platform.machine()}, Python "
        f"{sys.version.split()[0]}; {versions}."
    )


def processor() -> str:
    """The processor's name."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
