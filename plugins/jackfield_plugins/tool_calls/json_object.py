"""Calls of models that were never taught to call tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from jackfield import ToolCallParser, ToolCallPart, ToolDefinition, any_call
from jackfield_plugins.tool_calls.description import described
from jackfield_plugins.tool_calls.reading import BARE, bare_calls, marked_calls

MARK = "TOOL CALL:"


class JsonObject(ToolCallParser):
    """A JSON object below a line of its own; for any model that no other parser knows."""

    name = "json"
    title = "Any other model"
    opens = (MARK, *BARE)
    constrained: ClassVar[bool] = True

    def fits(self, chat_template: str, architecture: str) -> int:
        """Better than none."""
        return 1

    def parse(self, text: str) -> Sequence[ToolCallPart]:
        """The objects below each mark; without one, the objects it begins with."""
        return marked_calls(text, MARK) if text.startswith(MARK) else bare_calls(text)

    def describe(self, tools: Sequence[ToolDefinition]) -> str:
        """In plain words."""
        return described(tools, f"{MARK}\n", "", "arguments")

    def forced(self, tools: Sequence[ToolDefinition]) -> tuple[str, dict[str, Any]]:
        """The object below the mark."""
        return f"{MARK}\n", any_call(tools)
