"""Replies being written, apart from any page or request that looks at them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing

import anyio
from anyio.from_thread import BlockingPortal

from jackfield.errors import InvalidRequest
from jackfield.messages import (
    DoneEvent,
    Event,
    FinishReason,
    ReasoningEvent,
    TextEvent,
    ToolCallPart,
)
from jackfield.pipeline import Pipeline, Turn
from jackfield.pipeline.turn import Approval
from jackfield.tools import Tool

BATCH = 0.05
KEPT = 600.0
"""Seconds that an ended job is kept for those who still look at it."""


class Asked:
    """A call of a tool that waits for the user; made in the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[Approval] = self._loop.create_future()

    def answer(self, approval: Approval) -> None:
        """Give the answer; from any thread."""
        self._loop.call_soon_threadsafe(self._set, approval)

    def _set(self, approval: Approval) -> None:
        if not self.answered.done():
            self.answered.set_result(approval)


class Job:
    """One reply being written; any thread may follow or cancel it."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.started = time.monotonic()
        self.ended = 0.0
        self._events: list[Event] = []
        self._change = threading.Condition()
        self._cancel: Callable[[], object] = lambda: None
        self._cancelled = False
        self._first = self._latest = 0.0
        self._pieces = 0
        self._asked: dict[str, Asked] = {}
        self._decided: dict[str, Approval] = {}

    @property
    def done(self) -> bool:
        """Whether the reply has ended, well or badly."""
        return self.ended > 0

    @property
    def events(self) -> list[Event]:
        """What has come so far."""
        with self._change:
            return list(self._events)

    @property
    def text(self) -> str:
        """The reply so far, without what plugins made of the whole."""
        return "".join(event.text for event in self.events if isinstance(event, TextEvent))

    @property
    def tokens_per_second(self) -> float:
        """Pieces of the reply per second since the first, reasoning included; 0 before that."""
        seconds = self._latest - self._first
        return (self._pieces - 1) / seconds if seconds > 0 else 0.0

    def follow(self, start: int = 0, timeout: float | None = None) -> Iterator[Event]:
        """Events from a position on, until the reply ends; blocks between them.

        Texts that come within 50 ms are joined, so that a screen is not redrawn for each token.
        Any number of threads may follow, and come back to it later.

        Args:
            start: how many of ``events`` are known already.
            timeout: seconds after which to stop although the reply goes on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        at = start
        while True:
            with self._change:
                while len(self._events) <= at and not self.done:
                    left = None if until is None else until - time.monotonic()
                    if left is not None and left <= 0:
                        return
                    self._change.wait(left)
                fresh = self._events[at:]
                at += len(fresh)
            if not fresh:
                return
            yield from joined(fresh)
            if not self.done:
                time.sleep(BATCH)

    def cancel(self) -> None:
        """Stop writing; what was written stays. Returns at once; the end comes as an event."""
        self._cancelled = True
        self._cancel()

    def decided(self, call: str) -> bool:
        """Whether the user has said whether a call of a tool, by its id, may run."""
        with self._change:
            return call in self._decided

    def answer(self, call: str, approval: Approval) -> None:
        """Say whether a call of a tool may run; what was said first holds."""
        with self._change:
            if call in self._decided:
                return
            self._decided[call] = approval
            waiting = self._asked.get(call)
        if waiting is not None:
            waiting.answer(approval)

    async def _approve(self, call: ToolCallPart, tool: Tool) -> Approval:
        """Wait for the user's answer to a call."""
        waiting = Asked()
        with self._change:
            self._asked[call.id] = waiting
            early = self._decided.get(call.id)
        return early or await waiting.answered

    async def run(self, pipeline: Pipeline, forget: Callable[[], None]) -> None:
        """Write the reply; runs in the application's event loop."""
        loop = asyncio.get_running_loop()
        self.turn.approve = self._approve
        end: FinishReason = "cancelled"
        try:
            with anyio.CancelScope() as scope:
                self._cancel = lambda: loop.is_closed() or loop.call_soon_threadsafe(scope.cancel)
                if self._cancelled:
                    scope.cancel()
                async with aclosing(pipeline.run(self.turn)) as events:
                    async for event in events:
                        self._add(event)
        except Exception:
            end = "error"
            raise
        finally:
            if not self._events or not isinstance(self._events[-1], DoneEvent):
                self._add(DoneEvent(end, self.turn.id, self.turn.reply))
            forget()

    def _add(self, event: Event) -> None:
        if isinstance(event, TextEvent | ReasoningEvent):
            self._latest = time.monotonic()
            self._first = self._first or self._latest
            self._pieces += 1
        with self._change:
            self._events.append(event)
            if isinstance(event, DoneEvent):  # together, so that who sees the one sees the other
                self.ended = time.monotonic()
            self._change.notify_all()


class Jobs:
    """All replies being written, one at most for each chat."""

    def __init__(self, pipeline: Pipeline, portal: Callable[[], BlockingPortal]) -> None:
        self._pipeline = pipeline
        self._portal = portal
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def start(self, turn: Turn) -> Job:
        """Begin a reply; may be called from any thread.

        Raises:
            InvalidRequest: the chat's last reply is still being written.
            RuntimeError: the application is not running.
        """
        key = turn.conversation or turn.id
        with self._lock:
            running = self._jobs.get(key)
            if running is not None and not running.done:
                raise InvalidRequest(
                    f"A reply is still being written in the chat {key!r}.",
                    hint="Wait for it, or stop it.",
                    conversation=key,
                )
            job = self._jobs[key] = Job(turn)
        try:
            self._portal().start_task_soon(job.run, self._pipeline, self._forget)
        except RuntimeError:  # the application is not running
            with self._lock:
                del self._jobs[key]
            raise
        return job

    def get(self, conversation: str) -> Job | None:
        """The reply of a chat that is being written or was written lately."""
        with self._lock:
            return self._jobs.get(conversation)

    def running(self) -> list[Job]:
        """Replies being written now."""
        with self._lock:
            return [job for job in self._jobs.values() if not job.done]

    def stop(self) -> None:
        """Stop all replies; for the end of the application, before its models are unloaded."""
        for job in self.running():
            job.cancel()

    def _forget(self) -> None:
        """Drop jobs that ended long ago."""
        now = time.monotonic()
        with self._lock:
            for key, job in list(self._jobs.items()):
                if job.done and now - job.ended > KEPT:
                    del self._jobs[key]


def joined(events: list[Event]) -> Iterator[Event]:
    """Events with neighbouring texts made one."""
    texts: list[TextEvent] = []
    for event in events:
        if isinstance(event, TextEvent):
            texts.append(event)
            continue
        if texts:
            yield _one(texts)
            texts = []
        yield event
    if texts:
        yield _one(texts)


def _one(texts: list[TextEvent]) -> TextEvent:
    logprobs = tuple(one for event in texts for one in event.logprobs)
    return TextEvent("".join(event.text for event in texts), logprobs)
