"""A reply in rounds: the model writes, tools that it calls are run, and it goes on."""

from __future__ import annotations

import json
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
    ToolResultPart,
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
        """Text, calls and results until the model calls no more tools.

        One that repeats a call whose result it has been given, or does not stop calling, is asked
        once more without tools.
        """
        toolbox = prepared.toolbox
        if toolbox is None:
            async with aclosing(self._written(prepared, [], [])) as written:
                async for event in written:
                    yield event
            return
        turn = self._run.turn
        known = _answered(turn.messages) if turn.tool_choice == "auto" else set()
        for _ in range(MOST_ROUNDS):
            texts: list[str] = []
            calls: list[ToolCallPart] = []
            async with aclosing(self._round(prepared, texts, calls)) as round_:
                async for event in round_:
                    yield event
            if not calls:
                return
            if all(_key(call) in known for call in calls):
                break
            known |= {_key(call) for call in calls}
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
        else:
            yield NoticeEvent(
                f"The model called tools {MOST_ROUNDS} times in a row, and had to answer then.",
                level="warning",
            )
        last = await self._preparation.without_tools()
        async with aclosing(self._written(last, [], [])) as written:
            async for event in written:
                yield event

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
        toolbox = prepared.toolbox
        made = [toolbox.typed(one) if toolbox else one for one in generation.calls]
        calls += called(made, parallel=self._run.turn.parallel_tool_calls)

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


def _answered(messages: Sequence[Message]) -> set[tuple[str, str]]:
    """Calls of a conversation that have been answered since the user's last message."""
    places = [place for place, one in enumerate(messages) if one.role == "user"]
    latest = messages[places[-1] + 1 :] if places else messages
    parts = [part for one in latest for part in one.parts]
    results = {part.call_id for part in parts if isinstance(part, ToolResultPart)}
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    return {_key(one) for one in calls if one.id in results}


def _key(call: ToolCallPart) -> tuple[str, str]:
    """What is the same for the same call, however it is written."""
    try:
        return call.name, json.dumps(json.loads(call.arguments or "{}"), sort_keys=True)
    except ValueError:
        return call.name, call.arguments
