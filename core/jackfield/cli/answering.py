"""One turn on the command line: text to standard output, the rest to standard error."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

from jackfield.cli.door import Door
from jackfield.cli.tool_steps import tool_step
from jackfield.errors import JackfieldError
from jackfield.jobs import Job
from jackfield.messages import (
    DoneEvent,
    ErrorEvent,
    Event,
    NoticeEvent,
    ReasoningEvent,
    ReplacedEvent,
    TextEvent,
    ToolCallEvent,
    ToolResultEvent,
    UsageEvent,
)
from jackfield.pipeline import Turn
from jackfield.sampling import SamplingParams


class TurnError(JackfieldError):
    """A turn that ended with an error."""

    def __init__(self, event: ErrorEvent) -> None:
        super().__init__(event.message, hint=event.hint, **event.details)
        self.usage_mistake = event.status == 400

    @property
    def exit_code(self) -> int:  # type: ignore[override] # decided by the event
        """2 when the request was at fault."""
        return 2 if self.usage_mistake else 1


class Answer:
    """What came of a turn."""

    def __init__(self) -> None:
        self.text = ""
        self.usage: UsageEvent | None = None
        self.done: DoneEvent | None = None
        self.notices: list[str] = []

    @property
    def stopped(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.done is not None and self.done.finish_reason == "cancelled"


def answer(door: Door, turn: Turn, *, quiet: bool = False) -> Answer:
    """Run a turn and show it as it comes; Ctrl-C stops the reply and keeps what there is.

    Args:
        quiet: show nothing.

    Raises:
        TurnError: it failed.
    """
    job = door.app.jobs.start(turn)
    got = Answer()
    held = door.app.pipeline.holds_reply(turn)
    for event in _watched(_events(job), door, quiet=quiet):
        _take(got, event)
        if isinstance(event, ErrorEvent):
            if got.text and not quiet and not held:
                print(flush=True)  # noqa: T201 - ends the line that was begun
            raise TurnError(event)
        if quiet:
            if isinstance(event, ToolCallEvent) and event.asks:
                job.answer(event.call.id, "refused")
            continue
        if isinstance(event, TextEvent) and not held:
            sys.stdout.write(event.text)
            sys.stdout.flush()
        elif isinstance(event, ReasoningEvent) and sys.stderr.isatty():
            door.side.print(event.text, end="", style="dim", markup=False)
        elif isinstance(event, ToolCallEvent | ToolResultEvent):
            tool_step(door, job, event)
        elif isinstance(event, NoticeEvent):
            door.side.print(event.text, style="yellow", markup=False)
    if not quiet:
        sys.stdout.write((got.text if held else "") + "\n")
        sys.stdout.flush()
    if got.stopped:
        door.side.print("Stopped.", style="dim")
    return got


def preset_params(door: Door, name: str) -> SamplingParams:
    """The parameters of a preset.

    Raises:
        JackfieldError: there is none of that name.
    """
    if not name:
        return SamplingParams()
    presets = door.app.plugins.sampling_presets()
    for known, preset in presets.items():
        if known.lower() == name.lower():
            return SamplingParams(**preset.params)
    raise JackfieldError(
        f"There is no sampling preset {name!r}.", hint=f"There is: {', '.join(presets)}."
    )


def _events(job: Job) -> Iterator[Event]:
    """The job's events. Ctrl-C stops the reply, of which nothing is lost; a second one leaves."""

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        job.cancel()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield from job.follow()
    finally:
        signal.signal(signal.SIGINT, before)


def _watched(events: Iterator[Event], door: Door, *, quiet: bool) -> Iterator[Event]:
    """The events; on a terminal, with a sign of life until the first that is shown."""
    waiting = door.side.status("Thinking")
    if not quiet:
        waiting.start()
    try:
        for event in events:
            if not isinstance(event, UsageEvent):
                waiting.stop()
            yield event
            if isinstance(event, ToolResultEvent) and not quiet:
                waiting.start()
    finally:
        waiting.stop()


def _take(got: Answer, event: Event) -> None:
    if isinstance(event, TextEvent):
        got.text += event.text
    elif isinstance(event, ReplacedEvent):
        got.text = event.text
    elif isinstance(event, UsageEvent):
        got.usage = event
    elif isinstance(event, NoticeEvent):
        got.notices.append(event.text)
    elif isinstance(event, DoneEvent):
        got.done = event
