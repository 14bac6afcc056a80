"""Runs the tools that a model calls: asks where that is needed, and always has an answer."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from jackfield.errors import JackfieldError
from jackfield.messages import Event, ToolCallEvent, ToolCallPart, ToolResultEvent, ToolResultPart
from jackfield.pipeline.toolbox import Toolbox, arguments_of
from jackfield.pipeline.turn import Approval, Turn
from jackfield.tools import Tool
from jackfield.trace import Trace

if TYPE_CHECKING:
    from jackfield.settings_store import SettingsStore

LONGEST = 20_000
"""Characters of a result that a model is given."""
CONTEXT_SHARE = 0.25
"""Most of the model's context that one result may fill."""
REFUSED = "The user did not allow this call. Do not try it again; answer without it."
UNASKED = "This tool needs the user's approval, and nobody can be asked here. Answer without it."


class ToolCalls:
    """Answers the calls of one turn."""

    def __init__(self, turn: Turn, toolbox: Toolbox, settings: SettingsStore, trace: Trace) -> None:
        self._turn = turn
        self._toolbox = toolbox
        self._settings = settings
        self._trace = trace
        self.results: list[ToolResultPart] = []

    async def run(self, calls: Sequence[ToolCallPart]) -> AsyncGenerator[Event, None]:
        """Ask for each call, run those that may, together, and tell of each."""
        self.results = []
        running: list[asyncio.Task[ToolResultPart]] = []
        try:
            for call in calls:
                found = self._toolbox.tool(call)
                asks = found is not None and self._asks(found[1])
                yield ToolCallEvent(call, self._toolbox.title(call), asks=asks)
                refusal = await self._refusal(call, found, asks=asks)
                running.append(asyncio.create_task(self._answer(call, found, refusal)))
            for task in running:
                result = await task
                self.results.append(result)
                yield ToolResultEvent(result)
        finally:
            for task in running:
                task.cancel()

    def _asks(self, tool: Tool) -> bool:
        allowed = self._settings.value.tools.get(tool.name)
        return allowed is None and tool.approval == "ask" and self._turn.approve is not None

    async def _refusal(
        self, call: ToolCallPart, found: tuple[str, Tool] | None, *, asks: bool
    ) -> str:
        """Why a call must not run, as the model is told; "" if it may."""
        if found is None:
            names = ", ".join(one.name for one in self._toolbox.definitions)
            return f"There is no tool {call.name!r}. There is: {names}."
        tool = found[1]
        allowed = self._settings.value.tools.get(tool.name)
        if allowed == "never":
            return REFUSED
        if not asks:
            return "" if allowed == "always" or tool.approval == "always" else UNASKED
        assert self._turn.approve is not None
        answer: Approval = await self._turn.approve(call, tool)
        if answer in ("always", "never"):
            await anyio.to_thread.run_sync(self._settings.set, ("tools", tool.name), answer)
        return "" if answer in ("once", "always") else REFUSED

    async def _answer(
        self, call: ToolCallPart, found: tuple[str, Tool] | None, refusal: str
    ) -> ToolResultPart:
        """What comes of a call; never fails."""
        started = time.perf_counter()
        owner = found[0] if found else ""
        text, failed = refusal, True
        if found is not None and not refusal:
            text, failed = await self._called(call, found[1])
        text = await self._shortened(text)
        seconds = time.perf_counter() - started
        if owner:
            asked = f"{call.name} {call.arguments}"
            error = text if failed else ""
            self._trace.add(owner, "tools", started, asked, f"{asked}\n= {text}", error)
        return ToolResultPart(call.id, text, call.name, failed, seconds)

    async def _called(self, call: ToolCallPart, tool: Tool) -> tuple[str, bool]:
        """The answer of a tool, and whether it failed."""
        try:
            arguments = arguments_of(call)
            with anyio.fail_after(tool.seconds):
                if inspect.iscoroutinefunction(tool.run):
                    answer = await tool.run(arguments)
                else:
                    answer = await anyio.to_thread.run_sync(
                        tool.run, arguments, abandon_on_cancel=True
                    )
            if not isinstance(answer, str):
                raise TypeError(f"it returned {type(answer).__name__} instead of text")
        except TimeoutError:
            return f"The tool {call.name!r} gave no answer within {tool.seconds:g} seconds.", True
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code runs here
            kind = "" if isinstance(error, JackfieldError) else f"{type(error).__name__}: "
            return f"The tool {call.name!r} failed: {kind}{error}", True
        return answer, False

    async def _shortened(self, text: str) -> str:
        """A result cut to what the model can take in."""
        whole = len(text)
        text = text[:LONGEST]
        info = self._turn.info
        if info is not None and not info.renders:
            most = int(info.context_length * CONTEXT_SHARE)
            while text and (tokens := await self._turn.count(text)) > most:
                text = text[: int(len(text) * most / tokens * 0.95)]
        if len(text) == whole:
            return text
        return f"{text}\n[cut: the first {len(text):,} of {whole:,} characters]"
