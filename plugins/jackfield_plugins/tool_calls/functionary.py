"""Calls as Functionary's models write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jackfield import ToolCallParser, ToolCallPart, ToolDefinition, any_call
from jackfield_plugins.tool_calls.description import described
from jackfield_plugins.tool_calls.reading import NAME, calls_at, part, value_at

CALL = re.compile(rf"(?:<function=({NAME})>|>>>({NAME})\n)\s*(?={{)")


class Functionary(ToolCallParser):
    """``<function=name>{...}</function>`` (3.1), or ``>>>name`` and the arguments below (3.2)."""

    name = "functionary"
    title = "Functionary 3"
    opens = ("<function=", ">>>")

    def fits(self, chat_template: str, architecture: str) -> int:
        """By its marks, where no other family's stand beside them."""
        if "<parameter=" in chat_template:
            return 0
        if "<function=" in chat_template:
            return 85
        return 85 if ">>>all" in chat_template or "'>>>'" in chat_template else 0

    def parse(self, text: str) -> Sequence[ToolCallPart]:
        """The calls after each mark that is followed by an object."""
        found = []
        for mark in CALL.finditer(text):
            try:
                found.append(part(mark[1] or mark[2], value_at(text, mark.end())[0]))
            except ValueError:
                continue
        return found or list(calls_at(text.removeprefix(">>>")))

    def describe(self, tools: Sequence[ToolDefinition]) -> str:
        """As JSON."""
        return described(tools, ">>>", "", "arguments")

    def forced(self, tools: Sequence[ToolDefinition]) -> tuple[str, dict[str, Any]]:
        """The arguments of the one tool, or an object that names one of several."""
        if len(tools) == 1:
            return f"<function={tools[0].name}>", tools[0].parameters
        return ">>>", any_call(tools)
