"""Calls as FunctionGemma and Gemma 4 write them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from jackfield import ToolCallParser, ToolCallPart, ToolDefinition, any_call
from jackfield_plugins.tool_calls.reading import NAME, marked_calls, part, value_at

QUOTES = {"<start_function_call>": "<escape>", "<|tool_call>": '<|"|>'}
"""The mark of a call to what stands on both sides of a string."""
KEY = re.compile(r"([{,]\s*)([A-Za-z_][\w.-]*)(?=\s*:)")


class FunctionGemma(ToolCallParser):
    """``call:name{key:value}`` after a mark, with marks in place of quotes."""

    name = "function_gemma"
    title = "FunctionGemma, Gemma 4"
    opens: ClassVar[tuple[str, ...]] = tuple(QUOTES)

    def fits(self, chat_template: str, architecture: str) -> int:
        """By its marks."""
        return 95 if any(mark in chat_template for mark in QUOTES) else 0

    def parse(self, text: str) -> Sequence[ToolCallPart]:
        """The calls after each mark; JSON as well."""
        for mark, quote in QUOTES.items():
            if text.startswith(mark):
                pieces = text.split(mark)[1:]
                return marked_calls(text, mark) or [
                    call for piece in pieces for call in _calls(piece, quote)
                ]
        return []

    def forced(self, tools: Sequence[ToolDefinition]) -> tuple[str, dict[str, Any]]:
        """A JSON object after the mark."""
        return self.opens[0], any_call(tools)


def _calls(piece: str, quote: str) -> list[ToolCallPart]:
    """The call at the beginning of a piece."""
    named = re.match(rf"\s*call:\s*({NAME})\s*(?={{)", piece)
    if named is None:
        return []
    try:
        value, _ = value_at(_as_json(piece[named.end() :], quote))
        return [part(named[1], value)]
    except ValueError:
        return []


def _as_json(text: str, quote: str) -> str:
    """The same with JSON's quotes; a string without an end spoils it."""
    pieces = text.split(quote)
    written = [
        json.dumps(piece) if inside % 2 else KEY.sub(r'\1"\2"', piece)
        for inside, piece in enumerate(pieces)
    ]
    if not len(pieces) % 2:
        written[-1] = "\0"
    return "".join(written)
