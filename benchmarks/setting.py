"""How the benchmarks are run, and where."""

from __future__ import annotations

import os
import platform
import socket
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

N_CTX = 1024
PARALLEL = 8


@dataclass(frozen=True)
class Setting:
    """What all benchmarks share.

    Attributes:
        model: a GGUF file.
        rounds: how many pairs are measured.
        tokens: length of a reply.
        threads: the engines' threads.
    """

    model: Path
    rounds: int
    tokens: int
    threads: int

    @property
    def options(self) -> dict[str, int]:
        """Load options for our loader; the other engines get the same numbers."""
        return {"n_ctx": N_CTX, "parallel": PARALLEL, "n_threads": self.threads}


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
    memory = psutil.virtual_memory().total / 1e9
    versions = ", ".join(
        f"{name} {metadata.version(name)}"
        for name in ("jackfield", "xllamacpp", "llama-cpp-python", "streamlit")
        if _installed(name)
    )
    return (
        f"{processor()}, {threads()} physical and {os.cpu_count()} logical cores, "
        f"{memory:.0f} GB of memory, {platform.system()} {platform.machine()}, Python "
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
