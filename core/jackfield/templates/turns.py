"""Messages as chat templates know them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from jackfield.messages import Message, TextPart, ToolCallPart, ToolResultPart

Turn: TypeAlias = dict[str, Any]
"""A message as a template is given it."""


def as_given(messages: Sequence[Message], *, tools: bool) -> list[Turn]:
    """Messages as templates know them: a reply in which tools were called becomes several.

    Args:
        tools: the template has a place for calls and results; else they are written as text.
    """
    return [turn for one in messages for turn in _turns(one, tools=tools)]


def _turns(message: Message, *, tools: bool) -> Iterator[Turn]:
    if not any(isinstance(part, ToolCallPart | ToolResultPart) for part in message.parts):
        yield _plain(message, message.text)
        return
    texts: list[str] = []
    calls: list[ToolCallPart] = []
    for part in message.parts:
        if isinstance(part, TextPart):
            if calls:  # a result is missing: the call was broken off
                yield _calling(message, "".join(texts), calls, tools=tools)
                texts, calls = [], []
            texts.append(part.text)
        elif isinstance(part, ToolCallPart):
            calls.append(part)
        elif isinstance(part, ToolResultPart):
            if calls:
                yield _calling(message, "".join(texts), calls, tools=tools)
                texts, calls = [], []
            yield _result(part, tools=tools)
    if calls:
        yield _calling(message, "".join(texts), calls, tools=tools)
    elif texts:
        yield _plain(message, "".join(texts))


def _plain(message: Message, text: str) -> Turn:
    given: Turn = {"role": message.role, "content": text}
    return given | {"reasoning_content": message.reasoning} if message.reasoning else given


def _calling(message: Message, text: str, calls: Sequence[ToolCallPart], *, tools: bool) -> Turn:
    if not tools:
        written = [json.dumps({"name": one.name, "arguments": _value(one)}) for one in calls]
        return _plain(message, "\n".join([text, *written]).strip())
    made = [
        {
            "id": one.id,
            "type": "function",
            "function": {"name": one.name, "arguments": _value(one)},
        }
        for one in calls
    ]
    return {"role": "assistant", "content": text, "tool_calls": made}


def _result(part: ToolResultPart, *, tools: bool) -> Turn:
    if not tools:
        return {"role": "user", "content": f"Result of {part.name or 'the tool'}: {part.text}"}
    return {"role": "tool", "name": part.name, "tool_call_id": part.call_id, "content": part.text}


def _value(call: ToolCallPart) -> Any:
    """A call's arguments as an object, as templates expect them; as text if they are none."""
    try:
        return json.loads(call.arguments)
    except ValueError:
        return call.arguments
