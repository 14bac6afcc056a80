"""From a request's messages to the conversation that a turn is about."""

from __future__ import annotations

from jackfield.api.content_parts import KINDS, media_part
from jackfield.api.errors import invalid
from jackfield.api.requests import ChatMessage, ChatRequest, ContentPart
from jackfield.messages import MediaPart, Message, Role, TextPart

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
    if not any(one.text.strip() or _media(one) for one in messages):
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
