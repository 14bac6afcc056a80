"""A chat, a message in its place, and an exported chat."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from jackfield.messages import Message, UsageEvent
from jackfield.trace import Trace

State = Literal["complete", "streaming", "cancelled", "failed"]


class Node(msgspec.Struct, kw_only=True):
    """A message in its place.

    Attributes:
        parent: the message before it, None for the first.
        created: seconds since the epoch.
        state: ``streaming`` while it is being written.
        error: why it failed, in words for the user.
    """

    id: str
    conversation: str
    parent: str | None
    message: Message
    created: float
    model: str = ""
    state: State = "complete"
    trace: Trace | None = None
    usage: UsageEvent | None = None
    error: str = ""


class Conversation(msgspec.Struct, kw_only=True):
    """A chat, without its messages.

    Attributes:
        head: the last message of the path that is shown, None while it is empty.
        sampling: sampling parameters of this chat.
        template: a named chat template; "" is the model's own.
        options: what this chat says to single plugins, by plugin.
        tools: names of the tools that the model may call.
    """

    id: str
    title: str
    created: float
    updated: float
    head: str | None = None
    model: str = ""
    agent_description: str = ""
    sampling: dict[str, Any] = msgspec.field(default_factory=dict)
    template: str = ""
    options: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    tools: list[str] = msgspec.field(default_factory=list)
    deleted: bool = False


class Export(msgspec.Struct, kw_only=True):
    """A conversation with its whole tree, as a file."""

    jackfield_conversation: Literal[1] = 1
    conversation: Conversation
    nodes: list[Node]
