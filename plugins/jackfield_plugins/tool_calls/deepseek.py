"""Calls as DeepSeek V3, V3.1 and R1 write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jackfield import ToolCallParser, ToolCallPart, ToolDefinition, any_call
from jackfield_plugins.tool_calls.reading import NAME, calls_at, part, value_at

OPEN = "<｜tool▁calls▁begin｜>"
CALL_OPEN = "<｜tool▁call▁begin｜>"
CALL = re.compile(
    rf"{CALL_OPEN}\s*(?:function<｜tool▁sep｜>)?({NAME})(?:<｜tool▁sep｜>)?\s*(?:```json)?\s*(?={{)"
)


class DeepSeek(ToolCallParser):
    """A name and a block of JSON (V3), or the arguments right after the name (V3.1)."""

    name = "deepseek"
    title = "DeepSeek V3, V3.1 and R1"
    opens = (OPEN, CALL_OPEN)

    def fits(self, chat_template: str, architecture: str) -> int:
        """By the mark."""
        return 90 if OPEN in chat_template else 0

    def parse(self, text: str) -> Sequence[ToolCallPart]:
        """The calls after each mark; JSON after the first as well."""
        found = []
        for mark in CALL.finditer(text):
            try:
                found.append(part(mark[1], value_at(text, mark.end())[0]))
            except ValueError:
                continue
        return found or list(calls_at(text.removeprefix(OPEN)))

    def forced(self, tools: Sequence[ToolDefinition]) -> tuple[str, dict[str, Any]]:
        """The arguments of the one tool as V3.1 writes them, or an object that names one."""
        if len(tools) == 1:
            return f"{OPEN}{CALL_OPEN}{tools[0].name}<｜tool▁sep｜>", tools[0].parameters
        return OPEN, any_call(tools)
