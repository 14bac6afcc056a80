"""Calls as Gemma 2 and 3 write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jackfield import ToolCallParser, ToolCallPart, ToolDefinition, any_call
from jackfield_plugins.tool_calls.description import described
from jackfield_plugins.tool_calls.python_calls import python_calls
from jackfield_plugins.tool_calls.reading import BARE, bare_calls, calls_at

FENCE = "```tool_code"
BLOCK = re.compile(rf"{FENCE}\s*\n(.*?)(?:```|\Z)", re.DOTALL)


class Gemma(ToolCallParser):
    """A block ``tool_code`` with calls in Python or JSON, or a bare JSON object.

    Gemma has no marks of its own and writes what its prompt asks for, which is described here.
    """

    name = "gemma"
    title = "Gemma 2 and 3"
    opens = (FENCE, *BARE)

    def fits(self, chat_template: str, architecture: str) -> int:
        """By the marks of its turns."""
        return 60 if "<start_of_turn>" in chat_template else 0

    def parse(self, text: str) -> Sequence[ToolCallPart]:
        """What its blocks hold, or the bare objects."""
        if not text.startswith(FENCE):
            return bare_calls(text)
        blocks = BLOCK.findall(text)
        return [one for code in blocks for one in list(calls_at(code)) or python_calls(code)]

    def describe(self, tools: Sequence[ToolDefinition]) -> str:
        """The block with JSON in it."""
        return described(tools, f"{FENCE}\n", "\n```", "parameters")

    def forced(self, tools: Sequence[ToolDefinition]) -> tuple[str, dict[str, Any]]:
        """The object in a block."""
        return f"{FENCE}\n", any_call(tools, arguments="parameters")
