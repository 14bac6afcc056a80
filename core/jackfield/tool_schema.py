"""The JSON schema of a tool call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


KINDS: Mapping[type, frozenset[str]] = {
    bool: frozenset({"boolean"}),
    int: frozenset({"integer", "number"}),
    float: frozenset({"number"}),
    list: frozenset({"array"}),
    dict: frozenset({"object"}),
    type(None): frozenset({"null"}),
    str: frozenset({"string"}),
}
"""Types of Python to those of JSON schema."""


def read_as(arguments: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that were written as plain texts, as their schema wants them.

    A text is read as JSON unless its parameter may be a text or what it reads as does not fit; one
    of which the schema says nothing is read as JSON if it is any.
    """
    properties = parameters.get("properties", {})
    return {
        name: _read(value, _kinds(properties.get(name, {}), parameters))
        if isinstance(value, str)
        else value
        for name, value in arguments.items()
    }


def _read(text: str, kinds: frozenset[str]) -> Any:
    if "string" in kinds:
        return text
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return text
    return value if not kinds or KINDS[type(value)] & kinds else text


def _no_number(text: str) -> Any:
    """Refuse ``NaN`` and infinities, which are no JSON."""
    raise ValueError(text)


def _kinds(schema: Any, whole: Mapping[str, Any], depth: int = 8) -> frozenset[str]:
    """The types that a schema allows; none if it does not say, as ``true`` does not."""
    if not depth or not isinstance(schema, Mapping):
        return frozenset()
    if "$ref" in schema:
        place: Any = whole
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            place = place.get(step, {}) if isinstance(place, Mapping) else {}
        return _kinds(place, whole, depth - 1)
    named = schema.get("type", ())
    kinds = frozenset((named,) if isinstance(named, str) else named)
    for one in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        kinds |= _kinds(one, whole, depth - 1)
    for value in [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])]:
        kinds |= KINDS[type(value)]
    return kinds
