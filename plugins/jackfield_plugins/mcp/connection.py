"""A connection to one MCP server, kept open and made anew after a crash."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from jackfield import JackfieldError, NotPermitted
from jackfield_plugins.mcp.results import as_text
from jackfield_plugins.mcp.server import Server, without
from jackfield_plugins.mcp.streams import streams

if TYPE_CHECKING:
    import anyio
    from mcp import Client

State = Literal["connecting", "connected", "failed", "stopped"]

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a failed connection is made anew; doubled each time."""
STEADY = 30.0
"""Seconds after which a connection counts as one that held."""
PATIENCE = 20.0
"""Seconds that a call waits for a server that is not connected."""
MOST_TOOLS = 1_000
"""Tools of one server."""
LAST_WORDS = 400
"""Characters of a program's log that are told when it fails."""
TAIL = 16_000
"""Bytes at the end of the log that are read for that; secrets are looked for in them."""


class RemoteTool(msgspec.Struct, frozen=True):
    """A tool as its server describes it."""

    name: str
    title: str
    description: str
    parameters: dict[str, Any]


class Limits(msgspec.Struct, frozen=True):
    """What the user allows every server.

    Attributes:
        connect_seconds: for the first answer.
        longest: characters of a result.
    """

    connect_seconds: float
    longest: int


class Connection:
    """One server. Its coroutines run on one event loop; what it says may be read anywhere.

    Args:
        known: the tools it had last time.
        learned: told when its tools are known.
        limits: asks for them, as they may change.

    Attributes:
        tools: those it has, as far as is known.
        state, error: how it is; the error in sentences for the user.
    """

    def __init__(
        self,
        server: Server,
        secrets: Mapping[str, str],
        *,
        log: Path,
        offline: Callable[[], bool],
        limits: Callable[[], Limits],
        known: tuple[RemoteTool, ...] = (),
        learned: Callable[[Connection], object] = lambda connection: None,
    ) -> None:
        self.server = server
        self.secrets = dict(secrets)
        self.log = log
        self.tools = known
        self.state: State = "connecting"
        self.error = ""
        self._offline = offline
        self._limits = limits
        self._learned = learned
        self._client: Client | None = None
        self._changed: anyio.Event | None = None
        self._wake: anyio.Event | None = None
        self._scope: anyio.CancelScope | None = None
        self._attempts = 0
        self._lost = self._stale = self._hurried = self._stopping = False
        self._ended = threading.Event()

    async def run(self) -> None:
        """Connect, and again whenever the connection is lost, until it is stopped."""
        import anyio

        self._changed = anyio.Event()
        pause = FIRST_PAUSE
        try:
            with anyio.CancelScope() as self._scope:
                while not self._stopping:
                    begun = anyio.current_time()
                    await self._connected_once()
                    if anyio.current_time() - begun > STEADY:
                        pause = FIRST_PAUSE
                    with anyio.move_on_after(pause):
                        if not self._hurried:
                            await self._woken()
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._become("stopped")
            self._ended.set()

    async def stop(self) -> None:
        """End it; :meth:`ended` waits for that."""
        self._stopping = True
        if self._scope is not None:
            self._scope.cancel()

    def ended(self, seconds: float) -> bool:
        """Wait, in a thread, until it has ended; whether it has."""
        return self._ended.wait(seconds)

    async def again(self) -> None:
        """Connect at once, anew if it is connected."""
        self._hurried = True
        self._lose("It is being connected anew.")

    def _lose(self, error: str = "The connection broke.") -> None:
        if self._client is not None:
            self._client = None
            self._become("failed", error)
        self._lost = True
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None:
            self._wake.set()

    async def _woken(self) -> None:
        """Wait until there is something to do."""
        import anyio

        self._wake = anyio.Event()
        await self._wake.wait()

    async def call(self, tool: str, arguments: dict[str, Any]) -> str:
        """Call a tool.

        Raises:
            JackfieldError: the server cannot be reached, gives no answer in time or says that the
                call failed.
        """
        import anyio
        from mcp import MCPError

        name = self.server.name
        self._check_offline()
        client = await self._ready()
        try:
            with anyio.fail_after(self.server.seconds):
                result = await client.call_tool(tool, arguments)
        except TimeoutError as error:
            raise JackfieldError(
                f"The MCP server {name!r} gave no answer within {self.server.seconds:g} seconds."
            ) from error
        except MCPError as error:
            if not self._is_lost(error):
                raise JackfieldError(f"The MCP server {name!r} says: {error}") from error
            self._lose()
            raise JackfieldError(
                f"The connection to the MCP server {name!r} broke while it was at work: {error}.",
                hint="It is being connected anew.",
            ) from error
        text = as_text(result, self._limits().longest)
        if result.is_error:
            raise JackfieldError(text or f"The MCP server {name!r} says that the call failed.")
        return text

    def _is_lost(self, error: Exception) -> bool:
        """Whether an error means that the server is gone."""
        from mcp.types import CONNECTION_CLOSED

        return getattr(error, "code", None) == CONNECTION_CLOSED

    def _check_offline(self) -> None:
        if not self.server.is_local and self._offline():
            raise NotPermitted(
                f"The MCP server {self.server.name!r} is not on this computer, and Jackfield is "
                "offline.",
                hint="Switch offline mode off in the settings.",
            )

    async def _ready(self) -> Client:
        """The client, once it is connected."""
        import anyio

        attempts = self._attempts + (self.state == "failed")
        if self.state == "failed":
            self._hurried = True
            self._rouse()
        with anyio.move_on_after(PATIENCE):
            while self._client is None and not self._stopping:
                if self._changed is None:
                    await anyio.sleep(0.01)  # it begins just now
                elif self.state == "failed" and self._attempts >= attempts:
                    break
                else:
                    await self._changed.wait()
        if self._client is not None:
            return self._client
        raise JackfieldError(
            f"The MCP server {self.server.name!r} is not connected.",
            hint=self.error or "It is still being started: try again in a while.",
        )

    def _become(self, state: State, error: str = "") -> None:
        """Take note, and wake who waits for it."""
        import anyio

        self.state, self.error = state, error
        if self._changed is not None:
            self._changed.set()
            self._changed = anyio.Event()

    async def _connected_once(self) -> None:
        """Connect, learn the tools, and stay until the connection is lost."""
        import anyio

        self._attempts += 1
        self._lost = self._stale = self._hurried = False
        self._become("connecting")
        patience = self._limits().connect_seconds
        error = "The connection broke."
        try:
            self._check_offline()
            from mcp import Client

            with anyio.CancelScope(deadline=anyio.current_time() + patience) as scope:
                way = streams(self.server, self.secrets, self.log, self._lose)
                async with Client(way, message_handler=self._heard) as client:
                    await self._learn(client)
                    scope.deadline = math.inf
                    self._client = client
                    self._become("connected")
                    await self._stay(client)
            if scope.cancelled_caught:
                error = f"It did not answer within {patience:g} seconds."
        except Exception as failure:  # noqa: BLE001 - the SDK and the server decide what is raised
            error = self._words(failure)
        finally:
            self._client = None
        self._become("failed", self._with_last_words(error))

    async def _stay(self, client: Client) -> None:
        """Until the connection is lost; learn the tools again when they change."""
        import anyio

        while not self._lost:
            if self._stale:
                self._stale = False
                with anyio.fail_after(self._limits().connect_seconds):
                    await self._learn(client)
            else:
                await self._woken()

    async def _heard(self, message: object) -> None:
        """Note that the tools have changed."""
        from mcp.types import ToolListChangedNotification

        if isinstance(message, ToolListChangedNotification):
            self._stale = True
            self._rouse()

    async def _learn(self, client: Client) -> None:
        """Ask for the tools."""
        found: list[RemoteTool] = []
        cursor: str | None = None
        while True:
            page = await client.list_tools(cursor=cursor, cache_mode="refresh")
            found += [
                RemoteTool(
                    one.name,
                    one.title or (one.annotations.title if one.annotations else "") or one.name,
                    one.description or "",
                    one.input_schema,
                )
                for one in page.tools
            ]
            cursor = page.next_cursor
            if not cursor or len(found) > MOST_TOOLS:
                break
        self.tools = tuple(found)
        self._learned(self)

    def _words(self, failure: BaseException) -> str:
        """A failure in words: the first that is inside a group."""
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        if isinstance(failure, JackfieldError):
            return str(failure)
        if isinstance(failure, ImportError):
            return "The package mcp is not installed. Install it: pip install 'jackfield[mcp]'"
        if isinstance(failure, TimeoutError):
            return "It did not answer in time."
        if isinstance(failure, FileNotFoundError) and self.server.transport == "stdio":
            return f"There is no program {self.server.command!r}: is it installed?"
        return f"{failure or type(failure).__name__}"

    def _with_last_words(self, error: str) -> str:
        """An error, and what the program wrote last; both without the secrets."""
        said = ""
        if self.server.transport == "stdio" and self.log.is_file():
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - TAIL))
                said = log.read().decode("utf-8", errors="replace")
        said = without(said, self.secrets)[-LAST_WORDS:].strip()
        error = without(error, self.secrets)
        return f"{error}\nIt wrote: {said}" if said else error
