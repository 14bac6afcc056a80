"""Calls as Hermes and Qwen models write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jackfield import ToolCallParser, ToolCallPart, ToolDefinition, any_call
from jackfield_plugins.tool_calls.description import described
from jackfield_plugins.tool_calls.reading import BARE, bare_calls, marked_calls

MARKS = ("<tool_call>", "<tools>")
DOUBLED = '{{"name"'
"""How Qwen's template shows it, by mistake, and Qwen2.5-Coder sometimes writes it."""


class Hermes(ToolCallParser):
    """``<tool_call>`` with a JSON object, closed by ``</tool_call>``.

    Qwen2.5-Coder leaves the marks out more often than not, or takes those that its template puts
    round the list of tools.
    """

    name = "hermes"
    title = "Hermes, Qwen 2.5 and 3"
    opens = (*MARKS, *BARE, DOUBLED)

    def fits(self, chat_template: str, architecture: str) -> int:
        """By the mark; Qwen models know it even if a changed template does not tell of it."""
        if "<tool_call>" in chat_template:
            return 80
        return 40 if architecture.lower().startswith(("qwen2", "qwen3")) else 0

    def parse(self, text: str) -> Sequence[ToolCallPart]:
        """Calls within marks if there are any, else those written without."""
        for mark in MARKS:
            if mark in text:
                return marked_calls(text, mark)
        return bare_calls(text.replace("{{", "{", 1) if text.startswith(DOUBLED) else text)

    def describe(self, tools: Sequence[ToolDefinition]) -> str:
        """As these models were taught."""
        return described(tools, "<tool_call>\n", "\n</tool_call>", "arguments")

    def forced(self, tools: Sequence[ToolDefinition]) -> tuple[str, dict[str, Any]]:
        """The object after the mark."""
        return "<tool_call>\n", any_call(tools)
