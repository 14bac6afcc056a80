"""What a dashboard, an API client or the command line asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from jackfield.messages import FinishReason, Message, NoticeEvent, Passage, ToolCallPart
from jackfield.sampling import SamplingParams
from jackfield.tools import Tool, ToolChoice, ToolDefinition

if TYPE_CHECKING:
    from jackfield.loader import ModelInfo

Approval = Literal["once", "always", "refused", "never"]
"""What the user says to a call of a tool; the second and the last hold from then on."""


@dataclass(frozen=True)
class ToolName:
    """The tool that must be called."""

    name: str


async def _not_loaded(text: str) -> int:
    raise RuntimeError("the model is not loaded yet")


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
        options: what this chat or request says to single plugins, by plugin.
        tools: tools of the client, which runs them itself.
        use_tools: names of tools of plugins that the model may call.
        tool_choice: whether the model may call tools, or must; or the name of one that it must.
        parallel_tool_calls: several calls may come at once.
        approve: asks the user whether a tool may run; None where nobody can be asked.
        notes: a place for plugins to remember things between hooks.
        reply: set by the pipeline: the saved message being written, "" at first.
        finish: set by the pipeline: why the model stopped writing, "" before that.
        info: set by the pipeline: what the model can do, None before it is loaded.
        count: set by the pipeline: tells how many of the model's tokens a text is.
        sources: set by the pipeline: the passages that the model is given, as they are numbered.
        extras: what plugins want kept with the reply, by plugin (``Message.extras``).
        accounts: what plugins have to tell of this turn, by plugin: rows of a table.
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
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    tools: tuple[ToolDefinition, ...] = ()
    use_tools: tuple[str, ...] = ()
    tool_choice: ToolChoice | ToolName = "auto"
    parallel_tool_calls: bool = True
    approve: Callable[[ToolCallPart, Tool], Awaitable[Approval]] | None = None
    id: str = field(default_factory=lambda: uuid4().hex)
    notes: dict[str, Any] = field(default_factory=dict)
    reply: str = ""
    finish: FinishReason | Literal[""] = ""
    info: ModelInfo | None = None
    count: Callable[[str], Awaitable[int]] = _not_loaded
    sources: list[Passage] = field(default_factory=list)
    extras: dict[str, Any] = field(default_factory=dict)
    accounts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notices: list[NoticeEvent] = field(default_factory=list)

    def tell(self, text: str, level: Literal["info", "warning"] = "info") -> None:
        """Tell the user something beside the reply, in a sentence; before the reply begins."""
        self.notices.append(NoticeEvent(text, level))
