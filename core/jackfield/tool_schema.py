"""The JSON schema of a tool call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jackfield.tool import ToolDefinition


def any_call(tools: Sequence[ToolDefinition], *, arguments: str = "arguments") -> dict[str, Any]:
    """A JSON object with the name of one of the tools and its arguments.

    Args:
        arguments: what the object calls them.
    """
    calls = [_call(one, arguments) for one in tools]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def _call(tool: ToolDefinition, arguments: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, arguments: tool.parameters},
        "required": ["name", arguments],
        "additionalProperties": False,
    }
