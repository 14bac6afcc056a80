"""The ways to an MCP server, with word of when it is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from jackfield_plugins.mcp.server import Server, filled

if TYPE_CHECKING:
    from mcp.client._transport import ReadStream, TransportStreams
    from mcp.shared.message import SessionMessage

LONGEST_EVENT = 64 * 1024 * 1024
"""Bytes of one message over HTTP."""


class Watched:
    """A stream of messages that tells when it has ended."""

    def __init__(
        self, inner: ReadStream[SessionMessage | Exception], ended: Callable[[], object]
    ) -> None:
        self._inner = inner
        self._ended = ended

    @property
    def last_context(self) -> Any:
        """What the SDK keeps with each message."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        """The next message."""
        return await self._inner.receive()

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    def __aiter__(self) -> Watched:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self._inner.__anext__()
        except StopAsyncIteration:
            self._ended()
            raise

    async def __aenter__(self) -> Watched:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, traceback)


@asynccontextmanager
async def streams(
    server: Server, secrets: Mapping[str, str], log: Path, ended: Callable[[], object]
) -> AsyncIterator[TransportStreams]:
    """What goes to a server and comes from it.

    Args:
        log: where the words of a program that is started go; those of its last run are replaced.
        ended: called when nothing more can come.
    """
    if server.transport == "stdio":
        from mcp.client.stdio import StdioServerParameters, stdio_client

        parameters = StdioServerParameters(
            command=server.command,
            args=server.args,
            env=filled(server.env, secrets, server.name),
            encoding_error_handler="replace",
        )
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as words:
            async with stdio_client(parameters, errlog=words) as (read, write):
                yield Watched(read, ended), write
        return
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    url = filled({"url": server.url}, secrets, server.name)["url"]
    headers = filled(server.headers, secrets, server.name)
    timeout = httpx2.Timeout(30, read=server.seconds + 30)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=LONGEST_EVENT) as (
            read,
            write,
        ),
    ):
        yield Watched(read, ended), write
