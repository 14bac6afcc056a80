"""Messages, their parts, and the events of a reply as it streams.

All are msgspec structs: they cross the worker's pipe, lie in the database and go out over HTTP.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "cancelled", "error"]


class TextPart(msgspec.Struct, tag="text", frozen=True):
    """Plain text."""

    text: str


class MediaPart(msgspec.Struct, tag="media", frozen=True):
    """An image, a recording or a file, by value.

    Attributes:
        media_type: as registered, e.g. ``image/png``.
        data: the bytes themselves.
        name: a file name to show, or "".
    """

    media_type: str
    data: bytes
    name: str = ""


class ToolCallPart(msgspec.Struct, tag="tool_call", frozen=True):
    """A call the model asks for; ``arguments`` is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


class ToolResultPart(msgspec.Struct, tag="tool_result", frozen=True):
    """What a called tool answered.

    Attributes:
        error: the call failed or was refused; ``text`` says why.
        seconds: how long it took.
    """

    call_id: str
    text: str
    name: str = ""
    error: bool = False
    seconds: float = 0.0


Part: TypeAlias = TextPart | MediaPart | ToolCallPart | ToolResultPart


class Message(msgspec.Struct, frozen=True):
    """One message of a conversation.

    A reply in which tools were called holds its texts, calls and results in their order.

    Attributes:
        reasoning: what a model thought before it spoke.
        extras: what plugins keep with a reply, by plugin.
    """

    role: Role
    parts: tuple[Part, ...] = ()
    name: str = ""
    reasoning: str = ""
    extras: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text parts joined; "" when there are none."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    def with_text(self, text: str) -> Message:
        """The same message with its text parts replaced by one.

        Other parts follow it; where tools were called, it follows them.
        """
        others = tuple(part for part in self.parts if not isinstance(part, TextPart))
        last = any(isinstance(part, ToolResultPart) for part in others)
        parts = (*others, TextPart(text)) if last else (TextPart(text), *others)
        return msgspec.structs.replace(self, parts=parts)


def message(role: Role, text: str) -> Message:
    """A message of one text part."""
    return Message(role, (TextPart(text),))


class Passage(msgspec.Struct, frozen=True):
    """A piece of text that a plugin adds as context, with where it comes from.

    Attributes:
        text: what the model is to read.
        title: what the user sees as its source.
        uri: where it can be opened, or "".
        score: relevance; higher is better. Passages that do not fit are dropped from the lowest.
    """

    text: str
    title: str = ""
    uri: str = ""
    score: float = 0.0


class Alternative(msgspec.Struct, frozen=True):
    """A token that might have been sampled; ``logprob`` is a natural logarithm."""

    text: str
    id: int
    logprob: float


class TokenLogprob(msgspec.Struct, frozen=True):
    """A sampled token's natural-log probability and its alternatives, best first."""

    text: str
    id: int | None
    logprob: float
    top: tuple[Alternative, ...] = ()


class TextEvent(msgspec.Struct, tag="text", frozen=True):
    """The next piece of the reply, with log probabilities if they were asked for."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


class ReasoningEvent(msgspec.Struct, tag="reasoning", frozen=True):
    """The next piece of the model's reasoning, shown folded."""

    text: str


class SourceEvent(msgspec.Struct, tag="source", frozen=True):
    """A passage that was given to the model as context."""

    passage: Passage


class ToolCallEvent(msgspec.Struct, tag="tool_call", frozen=True):
    """The model calls a tool.

    Attributes:
        title: the tool's, for the user.
        asks: the call waits for the user's approval.
        client: the tool is the client's, which has to run it and send the result.
    """

    call: ToolCallPart
    title: str = ""
    asks: bool = False
    client: bool = False


class ToolResultEvent(msgspec.Struct, tag="tool_result", frozen=True):
    """A called tool has answered, failed, or was not allowed to run."""

    result: ToolResultPart


class AudioEvent(msgspec.Struct, tag="audio", frozen=True):
    """A piece of the reply as sound, to be played after those before it.

    Attributes:
        data: a whole file.
        text: what it says.
    """

    media_type: str
    data: bytes
    text: str = ""


class NoticeEvent(msgspec.Struct, tag="notice", frozen=True):
    """Something the user should know: history cut, a plugin failed, a model being loaded."""

    text: str
    level: Literal["info", "warning"] = "info"


class UsageEvent(msgspec.Struct, tag="usage", frozen=True):
    """Token counts and times of a reply.

    Attributes:
        prompt_tokens, completion_tokens: counts by the model's own tokenizer.
        cached_tokens: prompt tokens whose KV cache was reused.
        first_token_s: seconds from the request to the first token.
        seconds: seconds from the request to the last token.
        context_length: tokens the model's context holds.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    first_token_s: float = 0.0
    seconds: float = 0.0
    context_length: int = 0


class ReplacedEvent(msgspec.Struct, tag="replaced", frozen=True):
    """A plugin changed the whole reply after it was written: show this text in its place."""

    text: str


class ErrorEvent(msgspec.Struct, tag="error", frozen=True):
    """The turn failed; what was written before stays. ``status`` is the HTTP status it maps to."""

    message: str
    hint: str = ""
    code: str = "internal_error"
    status: int = 500
    details: dict[str, Any] = msgspec.field(default_factory=dict)


class DoneEvent(msgspec.Struct, tag="done", frozen=True):
    """The last event of every turn."""

    finish_reason: FinishReason
    turn_id: str
    message_id: str = ""


Event: TypeAlias = (
    TextEvent
    | ReasoningEvent
    | SourceEvent
    | ToolCallEvent
    | ToolResultEvent
    | AudioEvent
    | NoticeEvent
    | UsageEvent
    | ReplacedEvent
    | ErrorEvent
    | DoneEvent
)
