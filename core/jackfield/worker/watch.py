"""Watches a worker: its memory, its progress, whether it still answers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from jackfield.worker.memory import Meter, describe, room

if TYPE_CHECKING:
    from jackfield.worker.host import Worker

_LOADING_PERIOD = 0.05  # seconds between looks; memory is eaten fastest here
_ACTIVE_PERIOD = 0.25
_IDLE_PERIOD = 1.0
_PING_PERIOD = 5.0
_SILENT_PINGS = 24  # native code that holds the GIL this long is taken for dead
_GROWN = 1.25, 256_000_000  # factor and bytes over what it had when it became ready


class Watch:
    """One worker's watch.

    Attributes:
        memory: resident bytes of the worker and its children at the last look.
    """

    def __init__(self, worker: Worker) -> None:
        self.memory = 0
        self._worker = worker
        self._before_loading = 0
        self._when_ready = 0
        self._pinged = time.monotonic()
        self._silent = 0
        self._meter: Meter | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def progress(self) -> float:
        """How far loading has got, 0 to 1, by the memory it has taken."""
        if self._worker.stage == "ready":
            return 1.0
        expected = self._worker.launch.expected
        if self._worker.stage != "loading" or not expected:
            return 0.0
        return min(0.99, max(0.0, (self.memory - self._before_loading) / expected))

    def start(self) -> None:
        """Begin to watch."""
        self._meter = Meter(self._worker.pid)
        self._task = asyncio.create_task(self._run(), name=f"watch {self._worker.launch.model}")

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def heard(self) -> None:
        """The worker sent something."""
        self._silent = 0

    def look(self) -> None:
        """Measure its memory now."""
        if self._meter is not None:
            self.memory = self._meter.read()
            self._remember()

    async def _run(self) -> None:
        worker = self._worker
        while not worker.gone.is_set():
            self.look()
            trouble = self._excess() or self._silence()
            if trouble:
                worker.kill(worker.failed(*trouble))
                return
            await asyncio.sleep(self._period())

    def _period(self) -> float:
        if self._worker.stage != "ready":
            return _LOADING_PERIOD
        return _ACTIVE_PERIOD if self._worker.active else _IDLE_PERIOD

    def _remember(self) -> None:
        if self._worker.stage == "ready":
            self._when_ready = self._when_ready or self.memory
        elif self._worker.stage != "loading":
            self._before_loading = self.memory

    def _excess(self) -> tuple[str, str] | None:
        """What is wrong with the worker's memory and what to do, or None."""
        limits, name = self._worker.limits, self._worker.launch.model
        hint = "Choose a smaller model or a shorter context, or unload other models."
        if limits.worker and self.memory > limits.worker:
            return (
                f"The worker of model {name!r} was stopped: it took {describe(self.memory)}, and "
                f"{describe(limits.worker)} are allowed.",
                hint,
            )
        if limits.reserve and self._growing():
            left = room().available
            if left < limits.reserve:
                return (
                    f"The worker of model {name!r} was stopped at {describe(self.memory)}: only "
                    f"{describe(left)} of memory were left, and {describe(limits.reserve)} are "
                    "kept for everything else.",
                    hint,
                )
        return None

    def _growing(self) -> bool:
        """Whether a shortage of memory is this worker's doing."""
        factor, size = _GROWN
        ready = self._when_ready
        return not ready or self.memory > ready * factor + size

    def _silence(self) -> tuple[str, str] | None:
        """Ping now and then; what to say when no answer has come for long, or None."""
        now = time.monotonic()
        if self._worker.stage != "ready" or now - self._pinged < _PING_PERIOD:
            return None
        # Pings are counted, not seconds: a suspended computer sends none.
        self._pinged = now
        self._silent += 1
        self._worker.ping()
        if self._silent <= _SILENT_PINGS:
            return None
        return (
            f"The worker of model {self._worker.launch.model!r} was stopped: it has not answered "
            f"for {_SILENT_PINGS * _PING_PERIOD:.0f} seconds.",
            "Load it again; if it happens again, try another loader.",
        )
