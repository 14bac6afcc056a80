"""Calls as Llama 3.1 to 3.3 write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jackfield import ToolCallParser, ToolCallPart, ToolDefinition, any_call
from jackfield_plugins.tool_calls.description import described
from jackfield_plugins.tool_calls.python_calls import python_calls
from jackfield_plugins.tool_calls.reading import BARE, bare_calls, calls_at

TAG = "<|python_tag|>"


class Llama3(ToolCallParser):
    """A bare JSON object with ``parameters``; after ``<|python_tag|>`` also a call in Python."""

    name = "llama3"
    title = "Llama 3.1, 3.2 and 3.3"
    opens = (TAG, *BARE, '{"type": "function"', '{"type":"function"')

    def fits(self, chat_template: str, architecture: str) -> int:
        """By its header marks together with words on functions."""
        if "<|start_header_id|>" not in chat_template:
            return 0
        return 75 if TAG in chat_template or "parameters" in chat_template else 50

    def parse(self, text: str) -> Sequence[ToolCallPart]:
        """JSON first; what stands after the tag may be Python."""
        if not text.startswith(TAG):
            return bare_calls(text)
        after = text.removeprefix(TAG)
        return list(calls_at(after)) or python_calls(after)

    def describe(self, tools: Sequence[ToolDefinition]) -> str:
        """As these models were taught."""
        return described(tools, "", "", "parameters")

    def forced(self, tools: Sequence[ToolDefinition]) -> tuple[str, dict[str, Any]]:
        """The object after the tag."""
        return TAG, any_call(tools, arguments="parameters")
