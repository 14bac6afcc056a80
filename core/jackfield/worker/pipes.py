"""The pipes of a worker's process, as the event loop reads them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jackfield.worker.host import Worker

_DRAIN = 0.5  # seconds to read what an ended process had still sent


class Pipes(asyncio.SubprocessProtocol):
    """Hands what comes through the pipes to the worker, with no task between."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._exited = self._drained = self._told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process runs."""
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """It wrote; its standard output is the only pipe that is read."""
        self._worker.received(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """A pipe was closed, by the process or by its end."""
        if fd == 1:
            self._drained = True
            self._tell()

    def process_exited(self) -> None:
        """The process is gone."""
        self._exited = True
        self._tell()
        # A process that it left behind may hold the pipe open for ever.
        asyncio.get_running_loop().call_later(_DRAIN, self._tell, True)

    def _tell(self, now: bool = False) -> None:
        """Tell the worker once: when the process is gone and its last words have been read."""
        if self._exited and (self._drained or now) and not self._told:
            self._told = True
            self._worker.ended(self._transport.get_returncode() or 0)
