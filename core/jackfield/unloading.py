"""Proof that unloading a model gave its memory back."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

import msgspec
import psutil

from jackfield.errors import JackfieldError
from jackfield.resident import Resident
from jackfield.worker.memory import resident as resident_memory
from jackfield.worker.memory import room


class UnloadReport(msgspec.Struct, frozen=True):
    """What unloading a model did.

    Attributes:
        before, after: resident bytes of the server and all its workers together.
        freed: the difference.
        seconds: how long it took.
        available_before, available_after: bytes available on the computer.
    """

    model: str
    before: int
    after: int
    freed: int
    seconds: float
    available_before: int
    available_after: int


class Unloading:
    """Measures memory before, and again after, the end of a model's process."""

    def __init__(self, workers: Iterable[int]) -> None:
        self._family = [os.getpid(), *workers]
        self._processes = [one for pid in self._family if (one := _process(pid)) is not None]
        self._began = time.monotonic()
        self._before = self.memory_of_all()
        self._available = room().available

    @classmethod
    def begin(cls, residents: Iterable[Resident]) -> Unloading:
        """Measure with all these in memory."""
        return cls(one.pid for one in residents if one.pid is not None)

    def memory_of_all(self) -> int:
        """Resident bytes of the server and the workers."""
        own = sum(_own(one) for one in self._processes[:1])
        return own + sum(resident_memory(one.pid) for one in self._processes[1:] if _runs(one))

    def report(self, ended: Resident) -> UnloadReport:
        """Measure again.

        Raises:
            JackfieldError: the process is still there, which no signal can explain.
        """
        worker = ended.worker
        gone = worker is None or all(
            one.pid != worker.pid or not _runs(one) for one in self._processes
        )
        if not gone and worker is not None:
            raise JackfieldError(
                f"The process {worker.pid} of model {ended.model!r} could not be ended.",
                pid=worker.pid,
            )
        after = self.memory_of_all()
        return UnloadReport(
            model=ended.model,
            before=self._before,
            after=after,
            freed=self._before - after,
            seconds=time.monotonic() - self._began,
            available_before=self._available,
            available_after=room().available,
        )


def _process(pid: int) -> psutil.Process | None:
    """A handle that is not fooled when the process id is given to another."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid)
    return None


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _own(process: psutil.Process) -> int:
    """Without children: those are the workers, and programs of others."""
    return int(process.memory_info().rss)
