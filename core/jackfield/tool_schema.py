"""The JSON schema of a tool call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jackfield.tools import ToolDefinition


def any_call(tools: Sequence[ToolDefinition], *, arguments: str = "arguments") -> dict[str, Any]:
    """A JSON object with the name of one of the tools and its arguments.

    Args:
        arguments: what the object calls them.
    """
    shared: dict[str, Any] = {}
    calls = [_call(one, arguments, shared) for one in tools]
    schema = calls[0] if len(calls) == 1 else {"anyOf": calls}
    return {**schema, "$defs": shared} if shared else schema


def _call(tool: ToolDefinition, arguments: str, shared: dict[str, Any]) -> dict[str, Any]:
    """The object of one tool; what its schema refers to is moved to ``shared``."""
    parameters = dict(tool.parameters)
    for where in ("$defs", "definitions"):
        for name, one in parameters.pop(where, {}).items():
            moved = f"{tool.name}.{name}"
            shared[moved] = one
            old, new = f"#/{where}/{name}", f"#/$defs/{moved}"
            parameters = _referring(parameters, old, new)
            shared |= {key: _referring(value, old, new) for key, value in shared.items()}
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, arguments: parameters},
        "required": ["name", arguments],
        "additionalProperties": False,
    }


def _referring(schema: Any, old: str, new: str) -> Any:
    """A schema in which what referred to one place refers to another."""
    if isinstance(schema, list):
        return [_referring(one, old, new) for one in schema]
    if isinstance(schema, dict):
        return {
            key: new if key == "$ref" and value == old else _referring(value, old, new)
            for key, value in schema.items()
        }
    return schema
