"""Messages and calls of tools in the form of OpenAI's API."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from jackfield import (
    MediaPart,
    Message,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)


def as_sent(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as they are sent, images by value; a reply with calls of tools becomes several."""
    return [sent for one in messages for sent in _sent(one)]


def _sent(message: Message) -> Iterator[dict[str, Any]]:
    if not any(isinstance(part, ToolCallPart | ToolResultPart) for part in message.parts):
        yield {"role": message.role, "content": _content(message)}
        return
    text = ""
    calls: list[ToolCallPart] = []
    for part in message.parts:
        if isinstance(part, TextPart):
            if calls:
                yield _calling(text, calls)
                text, calls = "", []
            text += part.text
        elif isinstance(part, ToolCallPart):
            calls.append(part)
        elif isinstance(part, ToolResultPart):
            if calls:
                yield _calling(text, calls)
                text, calls = "", []
            yield {"role": "tool", "tool_call_id": part.call_id, "content": part.text}
    if calls:
        yield _calling(text, calls)
    elif text:
        yield {"role": message.role, "content": text}


def _calling(text: str, calls: Sequence[ToolCallPart]) -> dict[str, Any]:
    made = [
        {
            "id": one.id,
            "type": "function",
            "function": {"name": one.name, "arguments": one.arguments or "{}"},
        }
        for one in calls
    ]
    return {"role": "assistant", "content": text or None, "tool_calls": made}


def _content(message: Message) -> str | list[dict[str, Any]]:
    media = [part for part in message.parts if isinstance(part, MediaPart)]
    if not media:
        return message.text
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    for part in media:
        data = base64.b64encode(part.data).decode()
        url = f"data:{part.media_type};base64,{data}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts


class CallCollector:
    """Puts calls of tools together from the pieces of a stream."""

    def __init__(self) -> None:
        self._pieces: dict[int, dict[str, str]] = {}

    def take(self, choice: dict[str, Any]) -> None:
        """Add the pieces of one event."""
        delta = choice.get("delta") or choice.get("message") or {}
        for place, piece in enumerate(delta.get("tool_calls") or ()):
            number = piece.get("index")
            kept = self._pieces.setdefault(
                place if number is None else int(number), {"id": "", "name": "", "arguments": ""}
            )
            function = piece.get("function") or {}
            kept["id"] = str(piece.get("id") or kept["id"])
            kept["name"] += str(function.get("name") or "")
            kept["arguments"] += str(function.get("arguments") or "")

    @property
    def calls(self) -> tuple[ToolCallPart, ...]:
        """The calls so far."""
        found = (self._pieces[place] for place in sorted(self._pieces))
        return tuple(
            ToolCallPart(one["id"] or f"call{place}", one["name"], one["arguments"])
            for place, one in enumerate(found)
            if one["name"]
        )
