"""Reads calls of tools out of the JSON that models write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from jackfield import ToolCallPart

NAME = r"[\w.-]{1,64}"
"""What the name of a tool looks like."""

OBJECTS = ('{"name"', '{ "name"', '{\n"name"', '{\n  "name"', '{\n    "name"')
BARE = tuple(fence + one for fence in ("", "```json\n", "```\n") for one in OBJECTS)
"""How a call begins that a model writes without any mark."""

BETWEEN = re.compile(r"(?:\s|[;,]|```\w*)*")
"""What may stand before, between and after calls without a mark."""


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse)


def value_at(text: str, at: int = 0) -> tuple[Any, int]:
    """The JSON value that stands at a place, blanks aside, and where it ends.

    Raises:
        ValueError: none stands there whole.
    """
    while at < len(text) and text[at].isspace():
        at += 1
    try:
        return DECODER.raw_decode(text, at)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def part(name: Any, arguments: Any, call_id: Any = "") -> ToolCallPart:
    """A call.

    Args:
        arguments: an object, JSON text of one, or None for none.

    Raises:
        ValueError: the name is none, or the arguments are no object.
    """
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise ValueError(f"{name!r} is no name of a tool")
    if isinstance(arguments, str):
        arguments, _ = value_at(arguments)
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise ValueError("the arguments are not an object")
    try:
        written = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
        written.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: only an escape can write it
        written = json.dumps(arguments)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the arguments are no JSON: {error}") from error
    return ToolCallPart(call_id if isinstance(call_id, str) else "", name, written)


def call_of(value: Any, *, marked: bool = True) -> ToolCallPart:
    """The call that an object is.

    Args:
        marked: a mark of the model's says that it is one; otherwise it is looked at closely, as
            any JSON could stand there.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, dict):
        raise ValueError("it is not an object")
    inner = value.get("function")
    if isinstance(inner, dict) and set(value) <= {"function", "type", "id"}:
        value = {"id": value.get("id"), **inner}
    named = [key for key in ("arguments", "parameters") if key in value]
    strange = set(value) - {"name", "id", "type", *named}
    if len(named) > 1 or strange or not (named or marked):
        raise ValueError("it has not the keys of a call")
    return part(value.get("name"), value[named[0]] if named else None, value.get("id"))


def calls_at(text: str, at: int = 0, *, marked: bool = True) -> Iterator[ToolCallPart]:
    """The calls that stand in a row from a place on, each an object or a list of them."""
    while True:
        at = BETWEEN.match(text, at).end()  # type: ignore[union-attr] # it matches nothing as well
        try:
            value, at = value_at(text, at)
            found = value if isinstance(value, list) else [value]
            calls = [call_of(one, marked=marked) for one in found]
        except ValueError:
            return
        yield from calls


def marked_calls(text: str, mark: str) -> list[ToolCallPart]:
    """The calls that stand after each mark."""
    return [call for piece in text.split(mark)[1:] for call in calls_at(piece)]


def bare_calls(text: str) -> list[ToolCallPart]:
    """The calls at the beginning of a text without a mark, perhaps in a block of code."""
    return list(calls_at(text, marked=False))
