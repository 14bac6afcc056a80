"""Calls as Qwen3-Coder and Qwen 3.5 write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jackfield import ToolCallParser, ToolCallPart, ToolDefinition, any_call
from jackfield_plugins.tool_calls.reading import NAME, marked_calls, part

FUNCTION = re.compile(rf"<function=({NAME})>(.*?)</function>", re.DOTALL)
PARAMETER = re.compile(r"<parameter=([^>\n]+)>(.*?)(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL)


class Qwen3Coder(ToolCallParser):
    """``<function=name>`` with a ``<parameter=...>`` for each argument, within ``<tool_call>``."""

    name = "qwen3_coder"
    title = "Qwen3-Coder, Qwen 3.5"
    opens = ("<tool_call>", "<function=")
    untyped = True

    def fits(self, chat_template: str, architecture: str) -> int:
        """By both of its marks."""
        return 90 if "<function=" in chat_template and "<parameter=" in chat_template else 0

    def parse(self, text: str) -> Sequence[ToolCallPart]:
        """The functions in it; JSON after the mark as well."""
        found = []
        for name, body in FUNCTION.findall(text):
            values = {key.strip(): _value(value) for key, value in PARAMETER.findall(body)}
            try:
                found.append(part(name, values))
            except ValueError:
                continue
        return found or marked_calls(text, "<tool_call>")

    def forced(self, tools: Sequence[ToolDefinition]) -> tuple[str, dict[str, Any]]:
        """A JSON object after the mark."""
        return "<tool_call>\n", any_call(tools)


def _value(text: str) -> str:
    """An argument without the line breaks after its opening mark and before its closing mark."""
    return text.removeprefix("\n").removesuffix("\n")
