"""From a request's messages to the conversation that a turn is about."""

from __future__ import annotations

import msgspec

from jackfield.api.errors import invalid
from jackfield.api.requests import ChatMessage, ChatRequest
from jackfield.api.tool_fields import sent_calls
from jackfield.messages import Message, Role, TextPart, ToolCallPart, ToolResultPart

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
    if not any(one.parts and (one.text.strip() or one.role == "tool") for one in messages):
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
        text = "".join(part.text for part in parts)
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


def _parts(sent: ChatMessage, place: str, index: int) -> tuple[TextPart, ...]:
    if sent.content is None:
        if sent.role != "assistant":
            raise invalid(f"{place}.content", f"Message {index} has no content.")
        return ()
    if isinstance(sent.content, str):
        return (TextPart(sent.content),)
    parts = []
    for number, part in enumerate(sent.content):
        if part.type != "text" or part.text is None:
            raise invalid(
                f"{place}.content.{number}",
                f"Part {number} of message {index} is of type {part.type!r}; only 'text' can be "
                "read for now.",
            )
        parts.append(TextPart(part.text))
    return tuple(parts)
