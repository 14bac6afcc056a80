"""One plugin's filter over the stream of events, and what is left of it when it fails."""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from jackfield.errors import TurnRefused
from jackfield.messages import Event, TextEvent
from jackfield.turn_plugins import Implementation, failed

if TYPE_CHECKING:
    from jackfield.pipeline import Turn
    from jackfield.trace import Trace

EVENTS = get_args(Event)
SHORTEST_MATCH = 4
"""Characters of what was passed on that must be found again in what was taken."""


class StreamFilter:
    """Runs events through one plugin; if it raises, passes on what it held, and the rest.

    Its time in the trace is its own: not that of the model, nor that of who reads the stream.
    """

    def __init__(
        self, one: Implementation, events: AsyncIterator[Event], turn: Turn, trace: Trace
    ) -> None:
        self._one = one
        self._events = events
        self._turn = turn
        self._trace = trace
        self._taken: list[Event] = []
        self._given: list[Event] = []
        self._taken_at_last_yield = 0
        self._seconds = 0.0
        self._broken: Exception | None = None  # what ended the stream itself, no fault of ours
        self._recorded = False

    async def run(self) -> AsyncIterator[Event]:
        """The events after the filter. Closing it closes the filter and the stream before it."""
        stream: Any = None
        try:
            failure: BaseException | None = None
            try:
                stream = self._wrapped()
                while (event := await self._next(stream)) is not None:
                    self._given.append(event)
                    self._taken_at_last_yield = len(self._taken)
                    yield event
            except TurnRefused:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code runs here
                failure = error
            if failure is not None and self._broken is None:
                self._recorded = True
                started = time.perf_counter() - self._seconds
                failed(self._one, "filter_stream", started, failure, self._trace)
            if failure is not None:
                for event in self._held():
                    yield event
            if self._broken is not None:
                raise self._broken
            if failure is None:
                self._one.report("filter_stream", "")
            else:
                async for event in self._events:
                    yield event
        finally:
            if not self._recorded:
                self._record()
            await self._close(stream)

    def _wrapped(self) -> AsyncIterator[Event]:
        """What the plugin returns for a stream; None leaves it as it is."""
        source = self._source()
        wrapped = self._one.function(**self._one.taken({"events": source, "turn": self._turn}))
        if wrapped is None:
            return source
        if not hasattr(wrapped, "__aiter__"):
            if inspect.iscoroutine(wrapped):
                wrapped.close()
            raise TypeError(f"it returned {type(wrapped).__name__}, not an asynchronous iterator")
        stream: AsyncIterator[Event] = wrapped.__aiter__()
        return stream

    async def _source(self) -> AsyncIterator[Event]:
        """The stream as the plugin reads it."""
        while True:
            started = time.perf_counter()
            try:
                event = await anext(self._events)
            except StopAsyncIteration:
                return
            except Exception as error:
                self._broken = error
                raise
            finally:
                self._seconds -= time.perf_counter() - started  # the model's time
            self._taken.append(event)
            yield event

    async def _next(self, stream: AsyncIterator[Event]) -> Event | None:
        """The filter's next event; None at its end."""
        started = time.perf_counter()
        try:
            event: Any = await anext(stream)
        except StopAsyncIteration:
            return None
        finally:
            self._seconds += time.perf_counter() - started
        if not isinstance(event, EVENTS):
            raise TypeError(f"it yielded {type(event).__name__}, which is not an event")
        passed: Event = event
        return passed

    def _record(self) -> None:
        started = time.perf_counter() - self._seconds
        before, after = _text(self._taken), _text(self._given)
        self._trace.add(self._one.plugin, "filter_stream", started, before, after)

    def _held(self) -> list[Event]:
        """The events it had taken and not passed on, as well as can be told."""
        given = {id(event) for event in self._given}
        text = _held_text(_text(self._taken), _text(self._given))
        left = len(_text(self._taken[self._taken_at_last_yield :]) if text is None else text)
        held: list[Event] = []
        for event in reversed(self._taken):
            if left <= 0 and (isinstance(event, TextEvent) or id(event) in given):
                break
            if not isinstance(event, TextEvent):
                if id(event) not in given:
                    held.append(event)
                continue
            if len(event.text) > left:
                event = msgspec.structs.replace(event, text=event.text[-left:], logprobs=())
            held.append(event)
            left -= len(event.text)
        return held[::-1]

    async def _close(self, stream: Any) -> None:
        """Close the filter, which may fail at that, and the stream before it."""
        try:
            await _close(stream)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code runs here
            self._one.report("filter_stream", f"{type(error).__name__}: {error}")
        await _close(self._events)


def _held_text(taken: str, given: str) -> str | None:
    """What follows in ``taken`` after what was passed on; None if the two cannot be compared."""
    if taken.startswith(given):
        return taken[len(given) :]
    for length in (32, 16, 8, SHORTEST_MATCH):
        tail = given[-length:]
        place = taken.rfind(tail)
        if len(tail) == length and place >= 0:
            return taken[place + length :]
    return None


def _text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextEvent))


async def _close(stream: Any) -> None:
    """Close an asynchronous generator; an iterator of another kind has nothing to close."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
