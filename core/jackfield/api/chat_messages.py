"""From a request's messages to the conversation that a turn is about."""

from __future__ import annotations

import msgspec

from jackfield.api.content_parts import KINDS, media_part
from jackfield.api.errors import invalid
from jackfield.api.requests import ChatMessage, ChatRequest, ContentPart
from jackfield.api.tool_fields import sent_calls
from jackfield.messages import MediaPart, Message, Role, TextPart, ToolCallPart, ToolResultPart

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}


def conversation(request: ChatRequest) -> list[Message]:
    """The messages of a request.

    Raises:
        InvalidRequest: there are none, or one holds something that cannot be given to a model.
    """
    if request.functions:
        raise invalid("functions", "Function calls are not supported.", "Use 'tools'.")
    if not request.messages:
        raise invalid("messages", "'messages' is empty; a chat needs at least one message.")
    messages = [message_of(one, index) for index, one in enumerate(request.messages)]
    if not any(one.text.strip() or one.role == "tool" or _media(one) for one in messages):
        raise invalid("messages", "All messages are empty; there is nothing to answer.")
    return _with_names(messages)


def _with_names(messages: list[Message]) -> list[Message]:
    """The messages; results of tools have the names that were in the calls."""
    calls = [part for one in messages for part in one.parts if isinstance(part, ToolCallPart)]
    names = {call.id: call.name for call in calls}

    def named(one: Message) -> Message:
        parts = tuple(
            msgspec.structs.replace(part, name=part.name or names.get(part.call_id, ""))
            if isinstance(part, ToolResultPart)
            else part
            for part in one.parts
        )
        return msgspec.structs.replace(one, parts=parts)

    return [named(one) if one.role == "tool" else one for one in messages]


def message_of(sent: ChatMessage, index: int) -> Message:
    """One message; ``index`` is its place, for errors.

    Raises:
        InvalidRequest: it holds something that cannot be given to a model.
    """
    place = f"messages.{index}"
    if sent.role not in ROLES:
        raise invalid(
            f"{place}.role",
            f"Message {index} has the role {sent.role!r}: functions are not supported.",
            "Use 'tools', and the role 'tool' for their results.",
        )
    parts = _parts(sent, place, index)
    if sent.role == "tool":
        text = "".join(part.text for part in parts if isinstance(part, TextPart))
        return Message("tool", (_result(sent, place, index, text),))
    calls = sent_calls(sent.tool_calls or ()) if sent.role == "assistant" else ()
    return Message(ROLES[sent.role], (*parts, *calls), sent.name or "")


def _result(sent: ChatMessage, place: str, index: int, text: str) -> ToolResultPart:
    if not sent.tool_call_id:
        raise invalid(
            f"{place}.tool_call_id",
            f"Message {index} is the result of a tool, but 'tool_call_id' does not say of which "
            "call.",
        )
    return ToolResultPart(sent.tool_call_id, text, sent.name or "")


def _media(one: Message) -> bool:
    return any(isinstance(part, MediaPart) for part in one.parts)


def _parts(sent: ChatMessage, place: str, index: int) -> tuple[TextPart | MediaPart, ...]:
    if sent.content is None:
        if sent.role != "assistant":
            raise invalid(f"{place}.content", f"Message {index} has no content.")
        return ()
    if isinstance(sent.content, str):
        return (TextPart(sent.content),)
    return tuple(
        _part(part, sent.role, f"{place}.content.{number}")
        for number, part in enumerate(sent.content)
    )


def _part(part: ContentPart, role: str, place: str) -> TextPart | MediaPart:
    if part.type == "text" and part.text is not None:
        return TextPart(part.text)
    if part.type in KINDS:
        if role != "user":
            raise invalid(place, f"Only a message of the user can hold a part {part.type!r}.")
        return media_part(part.type, part.model_extra or {}, place)
    known = ", ".join(repr(one) for one in ("text", *KINDS))
    raise invalid(
        place, f"A part is of type {part.type!r} or has no text; those that can be read: {known}."
    )
