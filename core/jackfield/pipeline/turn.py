"""What a dashboard, an API client or the command line asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from jackfield.messages import FinishReason, Message
from jackfield.sampling import SamplingParams


@dataclass(kw_only=True)
class Turn:
    """One request for one reply.

    Attributes:
        model: name of the model in the catalog.
        messages: the conversation, oldest first, up to the message to be answered; a first system
            message is the agent description.
        sampling: parameters; those set explicitly must be honoured or the turn fails.
        mode: ``completion`` takes ``prompt`` as it is, without template or messages.
        template: a named chat template; "" for the model's own.
        on, off: plugins to add to and leave out of this turn.
        conversation: the chat that the reply is saved in, None for nowhere.
        parent: the message that the reply hangs under.
        continues: the reply whose text is continued; its text is the last of ``messages``.
        origin: who asks.
        notes: a place for plugins to remember things between hooks.
        reply: set by the pipeline: the saved message being written, "" at first.
        finish: set by the pipeline: why the model stopped writing, "" before that.
    """

    model: str
    messages: list[Message] = field(default_factory=list)
    sampling: SamplingParams = field(default_factory=SamplingParams)
    mode: Literal["chat", "completion"] = "chat"
    prompt: str = ""
    template: str = ""
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    conversation: str | None = None
    parent: str | None = None
    continues: str | None = None
    origin: Literal["dashboard", "api", "cli"] = "api"
    id: str = field(default_factory=lambda: uuid4().hex)
    notes: dict[str, Any] = field(default_factory=dict)
    reply: str = ""
    finish: FinishReason | Literal[""] = ""
