"""From a request's messages to the conversation that a turn is about."""

from __future__ import annotations

from jackfield.api.errors import invalid
from jackfield.api.requests import ChatMessage, ChatRequest
from jackfield.messages import Message, Role, TextPart

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


def conversation(request: ChatRequest) -> list[Message]:
    """The messages of a request.

    Raises:
        InvalidRequest: there are none, or one holds something that cannot be given to a model.
    """
    _refuse_tools(request)
    if not request.messages:
        raise invalid("messages", "'messages' is empty; a chat needs at least one message.")
    messages = [message_of(one, index) for index, one in enumerate(request.messages)]
    if not any(one.text.strip() for one in messages):
        raise invalid("messages", "All messages are empty; there is nothing to answer.")
    return messages


def _refuse_tools(request: ChatRequest) -> None:
    if request.tools and request.tool_choice != "none":
        raise invalid("tools", "Tool calls are not supported yet.", "Leave 'tools' out.")
    if request.functions:
        raise invalid("functions", "Function calls are not supported.", "Leave 'functions' out.")


def message_of(sent: ChatMessage, index: int) -> Message:
    """One message; ``index`` is its place, for errors.

    Raises:
        InvalidRequest: it holds something that cannot be given to a model.
    """
    place = f"messages.{index}"
    if sent.role not in ROLES:
        raise invalid(
            f"{place}.role", f"Message {index} has the role {sent.role!r}: tools are not supported."
        )
    if (sent.model_extra or {}).get("tool_calls"):
        raise invalid(
            f"{place}.tool_calls", f"Message {index} has tool calls: they are not supported yet."
        )
    return Message(ROLES[sent.role], _parts(sent, place, index), sent.name or "")


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
