"""What a model writes for one prompt, as events."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from jackfield.errors import JackfieldError
from jackfield.loader import Prompt, Token
from jackfield.messages import Event, TextEvent, TokenLogprob, ToolCallPart
from jackfield.pipeline.call_splitter import CallSplitter
from jackfield.pipeline.ending import to_the_end
from jackfield.pipeline.preparation import Prepared
from jackfield.pipeline.processing import Processing
from jackfield.pipeline.reply import OPENS, ReasoningSplitter
from jackfield.pipeline.run import Run
from jackfield.turn_plugins import TurnPlugins

if TYPE_CHECKING:
    from jackfield.engine import Resident

LOG = logging.getLogger("jackfield.pipeline")
COUNTING = 1.0
"""Seconds that the prompt of a stopped reply may take to be counted."""


class Generation:
    """One request to a model.

    Attributes:
        calls: tools that the model calls, once it has ended.
    """

    def __init__(self, run: Run, model: Resident, prepared: Prepared, plugins: TurnPlugins) -> None:
        self._run = run
        self._model = model
        self._prepared = prepared
        self._watched = Processing(prepared.processors, plugins, run.trace)
        parser = prepared.toolbox.parser if prepared.toolbox is not None else None
        self._splitter = CallSplitter(parser, prepared.opening) if parser is not None else None
        self._thoughts = ReasoningSplitter(
            inside=prepared.prompt.rstrip().endswith(OPENS),
            begun=bool(prepared.opening) or prepared.continues,
        )
        self.calls: list[ToolCallPart] = []

    async def events(self) -> AsyncGenerator[Event, None]:
        """The model's tokens as events: text, reasoning; calls of tools are kept."""
        run, prepared = self._run, self._prepared
        tools = prepared.toolbox.for_template if prepared.toolbox and prepared.messages else None
        prompt = Prompt(
            prepared.prompt,
            prepared.media,
            prepared.messages,
            tuple(tools or ()),
            prepared.tool_choice,
        )
        run.begin_request()
        try:
            replying = self._model.complete(
                prompt, prepared.params, prepared.processors, self._watched.fault
            )
            async with aclosing(replying) as tokens:
                async for token in tokens:
                    self._watched.look()
                    run.take(token)
                    self.calls += token.tool_calls
                    for event in self._made_of(token):
                        yield event
            self._watched.went_well()
            for event in self._rest():
                yield event
        finally:
            if run.usage is None and run.tokens:
                await to_the_end(self._count(prepared.prompt))

    def _made_of(self, token: Token) -> list[Event]:
        logprobs = _logprobs(token)
        if self._run.turn.mode == "completion":
            return [TextEvent(token.text, logprobs)] if token.text or logprobs else []
        return self._split(self._thoughts.feed(token.text, logprobs))

    def _rest(self) -> list[Event]:
        events = self._split(self._thoughts.finish())
        if self._splitter is not None:
            held, calls = self._splitter.finish()
            events += held
            self.calls += calls
        return events

    def _split(self, events: list[Event]) -> list[Event]:
        """The events without calls of tools in their text."""
        if self._splitter is None:
            return events
        made: list[Event] = []
        for event in events:
            made += self._splitter.feed(event) if isinstance(event, TextEvent) else [event]
        return made

    async def _count(self, prompt: str) -> None:
        """Count a reply that was stopped, as well as can be done now."""
        counted = 0
        with anyio.move_on_after(COUNTING):
            try:
                counted = await self._model.count(prompt)
            except JackfieldError as error:  # its worker has died: the turn says so itself
                LOG.debug("the prompt of a stopped reply could not be counted: %s", error)
        self._run.stopped(counted)


def _logprobs(token: Token) -> tuple[TokenLogprob, ...]:
    if token.logprob is None:
        return ()
    return (TokenLogprob(token.text, token.id, token.logprob, token.top),)


def called(calls: list[ToolCallPart], *, parallel: bool) -> list[ToolCallPart]:
    """The calls that are answered: all, or the first; a call twice the same only once."""
    kept = {(one.name, one.arguments): one for one in reversed(calls)}
    different = list(kept.values())[::-1]
    return different if parallel else different[:1]
