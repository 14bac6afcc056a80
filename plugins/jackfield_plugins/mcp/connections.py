"""The connections to all MCP servers, on an event loop of their own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from jackfield_plugins.mcp.connection import Connection, Limits, RemoteTool
from jackfield_plugins.mcp.server import Server

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

GRACE = 8.0
"""Seconds that servers have to end."""


class _Known(msgspec.Struct, frozen=True):
    """The tools a server had last time."""

    fingerprint: str
    tools: tuple[RemoteTool, ...]


class Connections:
    """Opens and closes connections as the user's servers change.

    Args:
        folder: where logs and what was learned of tools are kept.
    """

    def __init__(
        self,
        folder: Path,
        *,
        offline: Callable[[], bool],
        limits: Callable[[], Limits],
        log: logging.Logger,
    ) -> None:
        self._folder = folder
        self._offline = offline
        self._limits = limits
        self._log = log
        self._lock = threading.RLock()
        self._loop: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None
        self._open: dict[str, Connection] = {}

    @property
    def all(self) -> list[Connection]:
        """In the user's order."""
        with self._lock:
            return list(self._open.values())

    def follow(self, servers: Sequence[Server], secrets: Mapping[str, str]) -> None:
        """Connect to these servers, anew to those that changed, and to no others."""
        wanted = {one.name: one for one in servers if one.enabled}
        with self._lock:
            before, self._open = self._open, {}
            known = self._known() if wanted else {}
            for name, server in wanted.items():
                old = before.get(name)
                if old is not None and (old.server, old.secrets) == (server, dict(secrets)):
                    self._open[name] = before.pop(name)
                else:
                    self._open[name] = self._begun(server, secrets, known)
            for old in before.values():
                self.loop().start_task_soon(old.stop)

    def loop(self) -> BlockingPortal:
        """Where the connections run; begun with the first."""
        from anyio.from_thread import start_blocking_portal

        with self._lock:
            if self._portal is None:
                self._loop = start_blocking_portal()
                self._portal = self._loop.__enter__()
            return self._portal

    def close(self) -> None:
        """End all connections and the loop."""
        with self._lock:
            ending, self._open = list(self._open.values()), {}
            loop, portal, self._loop, self._portal = self._loop, self._portal, None, None
        if loop is None or portal is None:
            return
        for one in ending:
            portal.start_task_soon(one.stop)
        for one in ending:
            if not one.ended(GRACE):
                self._log.warning("the MCP server %s did not end", one.server.name)
        portal.start_task_soon(portal.stop, True)
        loop.__exit__(None, None, None)

    def _begun(
        self, server: Server, secrets: Mapping[str, str], known: Mapping[str, _Known]
    ) -> Connection:
        last = known.get(server.name)
        connection = Connection(
            server,
            secrets,
            log=self._folder / "logs" / f"{server.name}.log",
            offline=self._offline,
            limits=self._limits,
            known=last.tools if last and last.fingerprint == server.fingerprint else (),
            learned=self._learned,
        )
        self.loop().start_task_soon(connection.run)
        return connection

    def _learned(self, connection: Connection) -> None:
        """Keep what tools a server has, so that they are known at once the next time."""
        server = connection.server
        known = {**self._known(), server.name: _Known(server.fingerprint, connection.tools)}
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / "tools.json.part"
        part.write_bytes(msgspec.json.encode(known))
        part.replace(self._folder / "tools.json")

    def _known(self) -> dict[str, _Known]:
        try:
            return msgspec.json.decode(
                (self._folder / "tools.json").read_bytes(), type=dict[str, _Known]
            )
        except (OSError, msgspec.MsgspecError):
            return {}  # it is only a memory of what servers tell again
