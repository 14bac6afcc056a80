"""The one way from a request to a reply, for dashboard, API and command line alike."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from jackfield.errors import JackfieldError
from jackfield.messages import (
    DoneEvent,
    ErrorEvent,
    Event,
    FinishReason,
    Message,
    NoticeEvent,
    ReplacedEvent,
    TextEvent,
)
from jackfield.pipeline.ending import to_the_end
from jackfield.pipeline.preparation import Preparation
from jackfield.pipeline.reply import ReplyWriter
from jackfield.pipeline.rounds import Rounds
from jackfield.pipeline.run import Run
from jackfield.pipeline.turn import Turn
from jackfield.settings import ModelSettings
from jackfield.trace import Trace, TraceStore
from jackfield.turn_plugins import TurnPlugins

if TYPE_CHECKING:
    from jackfield.conversations import Conversations
    from jackfield.conversations.model import State
    from jackfield.engine import Engine, Resident
    from jackfield.manager import PluginManager
    from jackfield.settings_store import SettingsStore
    from jackfield.templates.templates import Templates

LOG = logging.getLogger("jackfield.pipeline")
STATES: dict[FinishReason, State] = {"cancelled": "cancelled", "error": "failed"}
AFTERWARDS = 30.0
"""Seconds that plugins have for what they do after a turn."""


class Pipeline:
    """Runs turns. Several run at once; each is a stream of events of its own."""

    def __init__(
        self,
        plugins: PluginManager,
        engine: Engine,
        templates: Templates,
        conversations: Callable[[], Conversations],
        traces: TraceStore,
        settings: SettingsStore,
    ) -> None:
        self._plugins = plugins
        self._engine = engine
        self._templates = templates
        self._conversations = conversations
        self._traces = traces
        self._settings = settings

    def holds_reply(self, turn: Turn) -> bool:
        """Whether a plugin of this turn changes the reply once it is whole."""
        return self._plugins.for_turn(turn.on, turn.off).implements("transform_reply")

    async def _taking_part(self, turn: Turn) -> TurnPlugins:
        """The plugins of a turn; in a thread where one may have to be imported first."""
        if not turn.on and not turn.off:
            return self._plugins.for_turn()
        return await anyio.to_thread.run_sync(self._plugins.for_turn, turn.on, turn.off)

    async def run(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Answer a turn.

        A failure comes as an ErrorEvent. The last event is a DoneEvent, unless the stream was
        closed: that cancels the turn at once, and what was written is saved.
        """
        run = Run(turn, Trace(turn.id, model=turn.model), ReplyWriter(turn, self._conversations))
        plugins = TurnPlugins({})
        try:
            plugins = await self._taking_part(turn)
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
            await to_the_end(self._end(run, plugins))
        if run.unsaved:
            yield NoticeEvent(f"This reply could not be saved: {run.unsaved}.", level="warning")
        yield DoneEvent(run.finish, turn.id, turn.reply)

    async def ask(
        self, model: str, messages: Sequence[Message], *, off: tuple[str, ...] = ()
    ) -> str:
        """A model's whole answer, kept nowhere: for plugins that need a text written.

        Args:
            off: plugins that take no part, the one that asks among them.

        Raises:
            JackfieldError: the turn failed.
        """
        text = ""
        turn = Turn(model=model, messages=list(messages), off=off)
        async with aclosing(self.run(turn)) as events:
            async for event in events:
                if isinstance(event, TextEvent):
                    text += event.text
                elif isinstance(event, ReplacedEvent):
                    text = event.text
                elif isinstance(event, ErrorEvent):
                    raise JackfieldError(event.message, hint=event.hint, **event.details)
        return text

    async def _answer(self, run: Run, plugins: TurnPlugins) -> AsyncGenerator[Event, None]:
        """From the first hook to the last word."""
        turn, trace = run.turn, run.trace
        if turn.continues and turn.messages:
            run.writer.begin(turn.messages[-1])
        if turn.mode == "chat":
            self._templates.warm()
        await plugins.before_turn(turn, trace)
        async with self._engine.use(turn.model) as model:
            preparation, settings = self._preparation(run, model, plugins)
            prepared = await preparation.prepare(settings)
            rounds = Rounds(run, model, preparation, plugins, self._settings)
            for event in [*prepared.events, *turn.notices]:
                yield event
            async with (
                aclosing(rounds.events(prepared)) as tokens,
                _closing(plugins.filter_stream(tokens, turn, trace)) as filtered,
            ):
                async for event in filtered:
                    run.writer.take(event)
                    yield event
        await run.writer.begun()
        written = run.writer.text
        reply = await plugins.transform_reply(written, turn, trace)
        if reply != written:
            replaced = ReplacedEvent(reply)
            run.writer.take(replaced)
            yield replaced
        if run.usage is not None:
            yield run.usage

    def _preparation(
        self, run: Run, model: Resident, plugins: TurnPlugins
    ) -> tuple[Preparation, ModelSettings]:
        info = model.info
        if info is None:
            raise JackfieldError(f"The model {run.turn.model!r} is not ready.")
        run.trace.model, run.trace.loader = model.model, model.loader
        run.context_length = info.context_length
        settings = self._settings.value.models.get(model.model, ModelSettings())
        preparation = Preparation(
            run.turn, model, info, plugins, self._plugins, self._templates, run.trace
        )
        return preparation, settings

    async def _end(self, run: Run, plugins: TurnPlugins) -> None:
        """Save what there is, and tell plugins."""
        turn, trace = run.turn, run.trace
        trace.finish_reason, trace.usage = run.finish, run.usage
        trace.accounts = turn.accounts
        self._traces.add(trace)
        before = len(trace.lines)
        try:
            await run.writer.end(STATES.get(run.finish, "complete"), trace, run.usage)
            with anyio.move_on_after(AFTERWARDS) as scope:
                await plugins.after_turn(turn, trace)
            if scope.cancelled_caught:
                LOG.warning(
                    "plugins had not finished %g s after turn %s", AFTERWARDS, trace.turn_id
                )
            if len(trace.lines) > before:
                await run.writer.end_trace(trace)
        except JackfieldError as error:  # a plugin without which no turn counts as good
            LOG.warning("after turn %s: %s", turn.id, error)
        except Exception as error:  # the reply was given; only its copy is lost
            LOG.exception("the reply of turn %s could not be saved", turn.id)
            run.unsaved = f"{type(error).__name__}: {error}"


@asynccontextmanager
async def _closing(stream: AsyncIterator[Event]) -> AsyncIterator[AsyncIterator[Event]]:
    """Close a stream on the way out, if it is one that can be closed."""
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
