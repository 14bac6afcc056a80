"""A reply in rounds: the model writes, tools that it calls are run, and it goes on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from jackfield.messages import (
    Event,
    Message,
    NoticeEvent,
    Part,
    TextEvent,
    TextPart,
    ToolCallEvent,
    ToolCallPart,
)
from jackfield.pipeline.generation import Generation, called
from jackfield.pipeline.preparation import Preparation, Prepared
from jackfield.pipeline.run import Run
from jackfield.pipeline.tool_calls import ToolCalls
from jackfield.pipeline.toolbox import NO_TOOL, Toolbox
from jackfield.turn_plugins import TurnPlugins

if TYPE_CHECKING:
    from jackfield.engine import Resident
    from jackfield.settings_store import SettingsStore

MOST_ROUNDS = 10
"""Times that a model may call tools in one reply."""


class Rounds:
    """Writes the reply of one turn."""

    def __init__(
        self,
        run: Run,
        model: Resident,
        preparation: Preparation,
        plugins: TurnPlugins,
        settings: SettingsStore,
    ) -> None:
        self._run = run
        self._model = model
        self._preparation = preparation
        self._plugins = plugins
        self._settings = settings

    async def events(self, prepared: Prepared) -> AsyncGenerator[Event, None]:
        """Text, calls and results until the model calls no more tools."""
        toolbox = prepared.toolbox
        if toolbox is None:
            async with aclosing(self._written(prepared, [], [])) as written:
                async for event in written:
                    yield event
            return
        for _ in range(MOST_ROUNDS):
            texts: list[str] = []
            calls: list[ToolCallPart] = []
            async with aclosing(self._round(prepared, texts, calls)) as round_:
                async for event in round_:
                    yield event
            if not calls:
                return
            if any(toolbox.is_clients(call) for call in calls):
                for event in self._for_client(toolbox, calls):
                    yield event
                return
            running = ToolCalls(self._run.turn, toolbox, self._settings, self._run.trace)
            async with aclosing(running.run(calls)) as answered:
                async for event in answered:
                    yield event
            added = _added("".join(texts), calls, running)
            prepared = await self._preparation.again(added)
        self._run.finish = "stop"
        yield NoticeEvent(
            f"The model called tools {MOST_ROUNDS} times in a row, and was stopped there.",
            level="warning",
        )

    async def _round(
        self, prepared: Prepared, texts: list[str], calls: list[ToolCallPart]
    ) -> AsyncGenerator[Event, None]:
        """One prompt, or two where the model is first made to choose whether to call a tool."""
        if prepared.chooses:
            chosen: list[ToolCallPart] = []
            choosing = self._preparation.choosing(prepared)
            async with aclosing(self._written(choosing, [], chosen)) as written:
                async for event in written:
                    if not isinstance(event, TextEvent):
                        yield event
            calls += [call for call in chosen if call.name != NO_TOOL.name]
            if calls:
                return
        async with aclosing(self._written(prepared, texts, calls)) as written:
            async for event in written:
                yield event

    async def _written(
        self, prepared: Prepared, texts: list[str], calls: list[ToolCallPart]
    ) -> AsyncGenerator[Event, None]:
        """What the model writes for a prompt; its texts and calls are added to the lists."""
        generation = Generation(self._run, self._model, prepared, self._plugins)
        async with aclosing(generation.events()) as events:
            async for event in events:
                if isinstance(event, TextEvent):
                    texts.append(event.text)
                yield event
        calls += called(generation.calls, parallel=self._run.turn.parallel_tool_calls)

    def _for_client(self, toolbox: Toolbox, calls: Sequence[ToolCallPart]) -> list[Event]:
        """Calls that the client has to run; those of other tools in the same round are left out."""
        self._run.finish = self._run.turn.finish = "tool_calls"
        for call in calls:
            if not toolbox.is_clients(call):
                self._run.trace.dropped.append(
                    f"call of {call.name!r}: it came together with calls that the client runs"
                )
        return [ToolCallEvent(call, client=True) for call in calls if toolbox.is_clients(call)]


def _added(text: str, calls: Sequence[ToolCallPart], running: ToolCalls) -> Message:
    """What a round adds to the conversation."""
    said: tuple[Part, ...] = (TextPart(text),) if text else ()
    return Message("assistant", (*said, *calls, *running.results))
