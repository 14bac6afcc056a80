"""Memory of the computer and of processes, in bytes."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import msgspec
import psutil

_GIGABYTE = 10**9


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """When a worker is ended for what it takes.

    Address-space limits (``RLIMIT_AS``, ``RLIMIT_DATA``) are not used: GPU libraries reserve far
    more than they touch. Resident memory is watched instead.

    Attributes:
        worker: most resident memory of the worker and its children, 0 for no limit.
        reserve: what must stay available on the computer; a worker that is loading, or that has
            grown much since, is ended when less is.
    """

    worker: int = 0
    reserve: int = 0


class Room(msgspec.Struct, frozen=True):
    """What the computer, or the container this runs in, has and has left."""

    total: int
    available: int


def room() -> Room:
    """The computer's memory, or the container's where that is less."""
    machine = psutil.virtual_memory()
    total, available = machine.total, machine.available
    limit, used = _container()
    if 0 < limit < total:
        return Room(limit, max(0, min(available, limit - used)))
    return Room(total, available)


def default_reserve(total: int) -> int:
    """What to leave to everything else: a twentieth, between half a gigabyte and two."""
    return min(max(total // 20, _GIGABYTE // 2), 2 * _GIGABYTE)


class Meter:
    """Reads the resident memory of a process and its children again and again.

    Looking for children means looking at every process, so that is done once a second at most, and
    takes a hundredth of the time at most where there are many processes.
    """

    def __init__(self, pid: int) -> None:
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process = psutil.Process(pid)
        self._children: list[psutil.Process] = []
        self._next_look = 0.0

    def read(self) -> int:
        """Bytes; 0 when the process is gone."""
        if self._process is None:
            return 0
        now = time.monotonic()
        if now >= self._next_look:
            with contextlib.suppress(psutil.Error):
                self._children = self._process.children(recursive=True)
            took = time.monotonic() - now
            self._next_look = now + max(1.0, 100 * took)
        return sum(_one(member) for member in (self._process, *self._children))


def resident(pid: int) -> int:
    """Resident memory of a process and its children; 0 when it is gone."""
    return Meter(pid).read()


def _one(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it ended meanwhile
        return 0


def _container() -> tuple[int, int]:
    """The control group's limit and use (version 2, page cache left out); zeros without one."""
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="ascii").strip().rpartition("::")[2]
        folder = Path("/sys/fs/cgroup") / group.lstrip("/")
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        if limit == "max":
            return 0, 0
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        pairs = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
        cache = sum(int(value) for name, value in pairs if name in ("inactive_file", "active_file"))
    except (OSError, ValueError):
        return 0, 0
    return int(limit), used - cache


def describe(size: int) -> str:
    """A number of bytes for people, e.g. ``1.2 GB``."""
    for unit, scale in (("GB", _GIGABYTE), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"
