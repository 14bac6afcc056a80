"""Turns that are being answered for one request, side by side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import aclosing, suppress
from typing import Any, TypeAlias, TypeVar

import msgspec
from fastapi import Request

from jackfield.api.errors import ClientGone, TurnFailed
from jackfield.messages import (
    DoneEvent,
    ErrorEvent,
    Event,
    FinishReason,
    NoticeEvent,
    Passage,
    ReasoningEvent,
    ReplacedEvent,
    SourceEvent,
    TextEvent,
    TokenLogprob,
    ToolCallEvent,
    ToolCallPart,
    ToolResultEvent,
    ToolResultPart,
    UsageEvent,
)
from jackfield.pipeline import Pipeline, Turn

PATIENCE = 10.0
"""Seconds without an event after which the client is told that the server is still at work."""

Indexed: TypeAlias = tuple[int, Event]
T = TypeVar("T")


class Reply(msgspec.Struct):
    """What has come of a turn so far."""

    turn: str
    text: str = ""
    reasoning: str = ""
    logprobs: list[TokenLogprob] = msgspec.field(default_factory=list)
    usage: UsageEvent | None = None
    finish: FinishReason | None = None
    sources: list[Passage] = msgspec.field(default_factory=list)
    notices: list[str] = msgspec.field(default_factory=list)
    calls: list[ToolCallPart] = msgspec.field(default_factory=list)
    for_client: list[ToolCallPart] = msgspec.field(default_factory=list)
    results: list[ToolResultPart] = msgspec.field(default_factory=list)

    def add(self, event: Event) -> None:
        """Take the next event in."""
        match event:
            case TextEvent():
                self.text += event.text
                self.logprobs.extend(event.logprobs)
            case ReasoningEvent():
                self.reasoning += event.text
            case ReplacedEvent():
                self.text = event.text
            case UsageEvent():
                self.usage = event
            case SourceEvent():
                self.sources.append(event.passage)
            case NoticeEvent():
                self.notices.append(event.text)
            case ToolCallEvent():
                (self.for_client if event.client else self.calls).append(event.call)
            case ToolResultEvent():
                self.results.append(event.result)
            case DoneEvent():
                self.finish = event.finish_reason


class Turns:
    """Runs turns through the pipeline, each in a task of its own, and merges their events.

    ``cancel`` ends them all; the pipeline frees their slots at once.

    Attributes:
        held: for each turn, whether a plugin changes its reply once it is whole, so that nothing
            of it may be shown before.
    """

    def __init__(self, pipeline: Pipeline, turns: Sequence[Turn]) -> None:
        self.held = [pipeline.holds_reply(turn) for turn in turns]
        self._queue: asyncio.Queue[Indexed | None] = asyncio.Queue()
        self._seen: deque[Indexed] = deque()
        self._running = len(turns)
        self._tasks = [
            asyncio.create_task(self._pump(pipeline, index, turn))
            for index, turn in enumerate(turns)
        ]

    async def _pump(self, pipeline: Pipeline, index: int, turn: Turn) -> None:
        try:
            async with aclosing(pipeline.run(turn)) as events:
                async for event in events:
                    self._queue.put_nowait((index, event))
        finally:
            self._queue.put_nowait(None)

    def cancel(self) -> None:
        """End all turns; returns at once."""
        for task in self._tasks:
            task.cancel()

    async def ready(self, request: Request) -> None:
        """Wait until a reply begins, or for as long as a client can be left without a word.

        Raises:
            TurnFailed: a turn failed before that.
            ClientGone: the client hung up before that.
        """
        try:
            await _while_there(self._begun(), request)
        except BaseException:
            self.cancel()
            raise

    async def _begun(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while (one := await self._next()) is not None:
                    self._seen.append(one)
                    if isinstance(one[1], ErrorEvent):
                        raise TurnFailed(one[1])
                    if not isinstance(one[1], NoticeEvent | SourceEvent):
                        return

    async def events(self) -> AsyncIterator[Indexed | None]:
        """The events of all turns, each with its turn's index; None when nothing comes for long."""
        while True:
            if self._seen:
                yield self._seen.popleft()
                continue
            try:
                async with asyncio.timeout(PATIENCE):
                    one = await self._next()
            except TimeoutError:
                yield None
                continue
            if one is None:
                return
            yield one

    async def _next(self) -> Indexed | None:
        """The next event; None when all turns have ended. Raises a defect of the pipeline."""
        while self._running:
            one = await self._queue.get()
            if one is not None:
                return one
            self._running -= 1
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()
        return None


async def replies(pipeline: Pipeline, turns: Sequence[Turn], request: Request) -> list[Reply]:
    """Whole replies; the turns are cancelled when the client hangs up.

    Raises:
        TurnFailed: one of the turns failed.
        ClientGone: nobody waits for them any more.
    """
    running = Turns(pipeline, turns)
    try:
        return await _while_there(_collect(running, turns), request)
    finally:
        running.cancel()


async def _while_there(work: Coroutine[Any, Any, T], request: Request) -> T:
    """Do some work for as long as somebody waits for it.

    Raises:
        ClientGone: the client hung up.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        working.cancel()
        watching.cancel()


async def _collect(running: Turns, turns: Sequence[Turn]) -> list[Reply]:
    found = [Reply(turn.id) for turn in turns]
    async for one in running.events():
        if one is None:
            continue
        index, event = one
        if isinstance(event, ErrorEvent):
            raise TurnFailed(event)
        found[index].add(event)
    return found


async def _gone(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
