"""Calls as Mistral's models write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jackfield import ToolCallParser, ToolCallPart, ToolDefinition, any_call
from jackfield_plugins.tool_calls.description import described
from jackfield_plugins.tool_calls.reading import NAME, bare_calls, calls_at, part, value_at

MARK = "[TOOL_CALLS]"
NAMED = re.compile(
    rf"\s*(?P<name>{NAME}?)\s*(?:\[CALL_ID\]\s*(?P<id>\w*)\s*)?(?:\[ARGS\]\s*)?(?={{)"
)


class Mistral(ToolCallParser):
    """``[TOOL_CALLS]`` with a list; newer ones: a name, ``[ARGS]`` and the arguments."""

    name = "mistral"
    title = "Mistral, Mixtral, Ministral, Magistral, Devstral"
    opens = (MARK, '[{"name"', '[{"arguments"')

    def fits(self, chat_template: str, architecture: str) -> int:
        """By the mark."""
        return 90 if MARK in chat_template else 0

    def parse(self, text: str) -> Sequence[ToolCallPart]:
        """Either form; the bare list is what is left where special tokens are not shown."""
        if MARK not in text:
            return bare_calls(text)
        return [call for piece in text.split(MARK)[1:] for call in _calls(piece)]

    def describe(self, tools: Sequence[ToolDefinition]) -> str:
        """As these models were taught."""
        return described(tools, f"{MARK} [", "]", "arguments")

    def forced(self, tools: Sequence[ToolDefinition]) -> tuple[str, dict[str, Any]]:
        """A list of one call."""
        calls = {"type": "array", "items": any_call(tools), "minItems": 1, "maxItems": 1}
        return f"{MARK} ", calls


def _calls(piece: str) -> list[ToolCallPart]:
    """The calls after one mark."""
    named = NAMED.match(piece)
    if named is None or not named["name"]:
        return list(calls_at(piece))
    try:
        return [part(named["name"], value_at(piece, named.end())[0], named["id"] or "")]
    except ValueError:
        return []
