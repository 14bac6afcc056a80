"""What is known of a turn while it runs."""

from __future__ import annotations

import time

import msgspec

from jackfield.errors import JackfieldError
from jackfield.loader import Token
from jackfield.messages import (
    ErrorEvent,
    Event,
    FinishReason,
    NoticeEvent,
    SourceEvent,
    UsageEvent,
)
from jackfield.pipeline.reply import ReplyWriter
from jackfield.pipeline.turn import Turn
from jackfield.trace import Trace


class Run:
    """A turn that is being answered.

    Attributes:
        finish: how it ended, or will if nothing happens.
        tokens: how many have come.
        unsaved: why the reply could not be saved, in words.
    """

    def __init__(self, turn: Turn, trace: Trace, writer: ReplyWriter) -> None:
        self.turn = turn
        self.trace = trace
        self.writer = writer
        self.finish: FinishReason = "stop"
        self.usage: UsageEvent | None = None
        self.context_length = 0
        self.tokens = 0
        self.unsaved = ""
        self._started = time.perf_counter()
        self._first = 0.0
        self._latest = 0.0
        self._earlier = 0  # tokens written for earlier prompts of this turn

    def begin_request(self) -> None:
        """The model is given a prompt, perhaps not the first of this turn."""
        if self.usage is not None:
            self._earlier = self.usage.completion_tokens
        self.usage, self.tokens = None, 0

    def take(self, token: Token) -> None:
        """Count a token, and note the end."""
        self._latest = time.perf_counter() - self._started
        self._first = self._first or self._latest
        self.tokens += 1
        if token.finish is not None:
            self.finish = self.turn.finish = token.finish
            self._count(token.prompt_tokens, token.completion_tokens, token.cached_tokens)

    def stopped(self, prompt_tokens: int) -> None:
        """The reply ends before the model ended it."""
        self._count(prompt_tokens, self.tokens, 0)

    def note(self, event: Event) -> None:
        """Keep what a finished reply is shown with."""
        if isinstance(event, SourceEvent):
            self.trace.sources.append(event.passage)
        elif isinstance(event, NoticeEvent):
            self.trace.notices.append(event.text)

    def failed(self, error: JackfieldError) -> ErrorEvent:
        """Note a failure."""
        self.finish = "error"
        self.trace.error = str(error)
        details = msgspec.to_builtins(error.details, str_keys=True, enc_hook=str)
        return ErrorEvent(error.message, error.hint, error.code, error.status, details)

    def _count(self, prompt: int, completion: int, cached: int) -> None:
        written = self._earlier + completion
        self.usage = UsageEvent(
            prompt, written, cached, self._first, self._latest, self.context_length
        )
