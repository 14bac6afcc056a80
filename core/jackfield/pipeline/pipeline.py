"""The one way from a request to a reply, for dashboard, API and command line alike."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
import msgspec

from jackfield.errors import JackfieldError
from jackfield.loader import Prompt, Token
from jackfield.messages import (
    DoneEvent,
    ErrorEvent,
    Event,
    FinishReason,
    NoticeEvent,
    ReplacedEvent,
    SourceEvent,
    TextEvent,
    TokenLogprob,
    UsageEvent,
)
from jackfield.pipeline.preparation import Preparation, Prepared
from jackfield.pipeline.reply import OPENS, ReasoningSplitter, ReplyWriter
from jackfield.pipeline.turn import Turn
from jackfield.settings import ModelSettings
from jackfield.trace import Trace, TraceStore
from jackfield.turn_plugins import TurnPlugins

if TYPE_CHECKING:
    from jackfield.catalog.catalog import Catalog
    from jackfield.conversations import Conversations
    from jackfield.conversations.model import State
    from jackfield.engine import Engine, Resident
    from jackfield.manager import PluginManager
    from jackfield.settings_store import SettingsStore
    from jackfield.templates.templates import Templates

LOG = logging.getLogger("jackfield.pipeline")
STATES: dict[FinishReason, State] = {"cancelled": "cancelled", "error": "failed"}


class Pipeline:
    """Runs turns. Several run at once; each is a stream of events of its own."""

    def __init__(
        self,
        plugins: PluginManager,
        catalog: Catalog,
        engine: Engine,
        templates: Templates,
        conversations: Callable[[], Conversations],
        traces: TraceStore,
        settings: SettingsStore,
    ) -> None:
        self._plugins = plugins
        self._catalog = catalog
        self._engine = engine
        self._templates = templates
        self._conversations = conversations
        self._traces = traces
        self._settings = settings

    def holds_reply(self, turn: Turn) -> bool:
        """Whether a plugin of this turn changes the reply once it is whole."""
        return self._plugins.for_turn(turn.on, turn.off).implements("transform_reply")

    async def run(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Answer a turn.

        A failure comes as an ErrorEvent. The last event is a DoneEvent, unless the stream was
        closed: that cancels the turn at once, and what was written is saved.
        """
        run = _Run(turn, Trace(turn.id, model=turn.model), ReplyWriter(turn, self._conversations))
        plugins = TurnPlugins({})
        try:
            plugins = self._plugins.for_turn(turn.on, turn.off)
            async with aclosing(self._answer(run, plugins)) as events:
                async for event in events:
                    run.note(event)
                    yield event
        except JackfieldError as error:
            yield run.failed(error)
        except (GeneratorExit, asyncio.CancelledError):
            run.finish = "cancelled"
            raise
        except Exception as error:
            LOG.exception("turn %s failed", turn.id)
            yield run.failed(
                JackfieldError(
                    f"Something in Jackfield went wrong: {type(error).__name__}: {error}.",
                    hint="The server's log has the details.",
                )
            )
        finally:
            with anyio.CancelScope(shield=True):
                await self._end(run, plugins)
        yield DoneEvent(run.finish, turn.id, turn.reply)

    async def _answer(self, run: _Run, plugins: TurnPlugins) -> AsyncGenerator[Event, None]:
        """From the first hook to the last word."""
        turn, trace = run.turn, run.trace
        begins = turn.messages[-1].text if turn.continues and turn.messages else ""
        await run.writer.begin(begins)
        await plugins.before_turn(turn, trace)
        async with self._engine.use(turn.model) as model:
            prepared = await self._prepare(run, model, plugins)
            for event in prepared.events:
                yield event
            async with aclosing(self._generate(run, model, prepared)) as tokens:
                async for event in plugins.filter_stream(tokens, turn, trace):
                    run.writer.take(event)
                    yield event
        written = run.writer.text
        reply = await plugins.transform_reply(written, turn, trace)
        if reply != written:
            replaced = ReplacedEvent(reply)
            run.writer.take(replaced)
            yield replaced
        if run.usage is not None:
            yield run.usage

    async def _prepare(self, run: _Run, model: Resident, plugins: TurnPlugins) -> Prepared:
        info = model.info
        if info is None:
            raise JackfieldError(f"The model {run.turn.model!r} is not ready.")
        run.trace.loader = model.loader
        run.context_length = info.context_length
        settings = self._settings.value.models.get(model.model, ModelSettings())
        preparation = Preparation(run.turn, model, info, plugins, self._templates, run.trace)
        recommended = self._catalog.find(model.model).template
        return await preparation.prepare(settings, recommended)

    async def _generate(
        self, run: _Run, model: Resident, prepared: Prepared
    ) -> AsyncGenerator[Event, None]:
        """The model's tokens as events."""
        inside = prepared.prompt.rstrip().endswith(OPENS)
        splitter = ReasoningSplitter(inside=inside)
        async with aclosing(model.complete(Prompt(prepared.prompt), prepared.params)) as tokens:
            async for token in tokens:
                run.take(token)
                if run.turn.mode == "completion":
                    if token.text or token.logprob is not None:
                        yield TextEvent(token.text, _logprobs(token))
                    continue
                for event in splitter.feed(token.text, _logprobs(token)):
                    yield event
        for event in splitter.finish():
            yield event

    async def _end(self, run: _Run, plugins: TurnPlugins) -> None:
        """Save what there is, and tell plugins."""
        trace = run.trace
        trace.finish_reason, trace.usage = run.finish, run.usage
        self._traces.add(trace)
        await plugins.after_turn(run.turn, trace)
        state = STATES.get(run.finish, "complete")
        try:
            await run.writer.end(state, trace, run.usage, trace.error)
        except Exception:  # the reply was given; only its copy is lost
            LOG.exception("the reply of turn %s could not be saved", run.turn.id)


class _Run:
    """What is known of a turn while it runs."""

    def __init__(self, turn: Turn, trace: Trace, writer: ReplyWriter) -> None:
        self.turn = turn
        self.trace = trace
        self.writer = writer
        self.finish: FinishReason = "stop"
        self.usage: UsageEvent | None = None
        self.context_length = 0
        self._started = time.perf_counter()
        self._first = 0.0
        self._tokens = 0

    def take(self, token: Token) -> None:
        """Count a token, and note the end."""
        now = time.perf_counter() - self._started
        self._first = self._first or now
        self._tokens += 1
        if token.finish is not None:
            self.finish = token.finish
            self.usage = UsageEvent(
                token.prompt_tokens,
                token.completion_tokens,
                token.cached_tokens,
                self._first,
                now,
                self.context_length,
            )

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


def _logprobs(token: Token) -> tuple[TokenLogprob, ...]:
    if token.logprob is None:
        return ()
    return (TokenLogprob(token.text, token.id, token.logprob, token.top),)
