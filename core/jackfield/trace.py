"""What each plugin did to a turn, for the inspector."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield.errors import NotFound
from jackfield.messages import Passage, UsageEvent

if TYPE_CHECKING:
    from jackfield.conversations import Conversations

LONGEST_TEXT = 20_000
LONGEST_PROMPT = 40_000
KEPT = 500


class TraceLine(msgspec.Struct, frozen=True):
    """One hook of one plugin: how long it took and the difference it made.

    ``before`` and ``after`` are cut at 20,000 characters and empty when nothing changed.
    """

    plugin: str
    hook: str
    ms: float
    changed: bool
    before: str = ""
    after: str = ""
    error: str = ""


class Trace(msgspec.Struct):
    """The whole way of a turn.

    Attributes:
        started: seconds since the epoch.
        lines: one for each call of a hook, in order.
        plugins: names of the plugins that took part.
        prompt: as the model read it; of a very long one the beginning and the end.
        sampling: the fields that were not neutral, after all changes.
        dropped: in words, what did not fit or was not honoured.
        sources: the passages that were given to the model.
        notices: what the user was told beside the reply.
        accounts: what plugins told of the turn, by plugin: rows of a table.
    """

    turn_id: str
    model: str = ""
    loader: str = ""
    template: str = ""
    started: float = msgspec.field(default_factory=time.time)
    lines: list[TraceLine] = msgspec.field(default_factory=list)
    plugins: list[str] = msgspec.field(default_factory=list)
    prompt: str = ""
    sampling: dict[str, Any] = msgspec.field(default_factory=dict)
    usage: UsageEvent | None = None
    dropped: list[str] = msgspec.field(default_factory=list)
    sources: list[Passage] = msgspec.field(default_factory=list)
    notices: list[str] = msgspec.field(default_factory=list)
    accounts: dict[str, list[dict[str, Any]]] = msgspec.field(default_factory=dict)
    finish_reason: str = ""
    error: str = ""

    def add(
        self, plugin: str, hook: str, started: float, before: str, after: str, error: str = ""
    ) -> None:
        """Record a call that began at ``started`` (``time.perf_counter()``)."""
        changed = before != after
        self.lines.append(
            TraceLine(
                plugin,
                hook,
                (time.perf_counter() - started) * 1000,
                changed,
                before[:LONGEST_TEXT] if changed else "",
                after[:LONGEST_TEXT] if changed else "",
                error,
            )
        )
        if plugin not in self.plugins:
            self.plugins.append(plugin)


def shortened(prompt: str) -> str:
    """A prompt as a trace keeps it: what lies between its first and last 20,000 is counted."""
    left_out = len(prompt) - LONGEST_PROMPT
    if left_out <= 0:
        return prompt
    half = LONGEST_PROMPT // 2
    return f"{prompt[:half]}\n[... {left_out} characters ...]\n{prompt[-half:]}"


class TraceStore:
    """The latest traces in memory; those of saved messages also in the database."""

    def __init__(self, conversations: Callable[[], Conversations]) -> None:
        self._conversations = conversations
        self._latest: dict[str, Trace] = {}

    def add(self, trace: Trace) -> None:
        """Keep a trace, and forget the oldest."""
        self._latest[trace.turn_id] = trace
        while len(self._latest) > KEPT:
            self._latest.pop(next(iter(self._latest)))

    def get(self, turn_id: str) -> Trace:
        """The trace of a turn.

        Raises:
            NotFound: it is too old, or there never was such a turn.
        """
        trace = self._latest.get(turn_id) or self._conversations().trace(turn_id)
        if trace is None:
            raise NotFound(
                f"There is no trace of turn {turn_id!r}.",
                hint=f"The last {KEPT} turns and those of saved conversations have one.",
            )
        return trace
