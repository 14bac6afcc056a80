"""What ``/v1`` answers: OpenAI's objects, with what Jackfield adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field

from jackfield.api.logprobs import ChatLogprobs, CompletionLogprobs
from jackfield.api.tool_fields import ToolCallField
from jackfield.api.turns import Reply
from jackfield.errors import NotFound
from jackfield.messages import FinishReason
from jackfield.trace import TraceStore

Finish = Literal["stop", "length", "tool_calls"]


class TokenDetails(BaseModel):
    """How the prompt was read."""

    cached_tokens: int = Field(0, description="Tokens that were known from an earlier request")


class Usage(BaseModel):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: TokenDetails = TokenDetails()


class Source(BaseModel):
    """A passage that was given to the model as context."""

    title: str
    uri: str
    text: str
    score: float


class ToolStep(BaseModel):
    """A tool that Jackfield ran for the model."""

    name: str
    arguments: str
    result: str
    error: bool = Field(description="It failed or was not allowed to run")
    seconds: float


class Additions(BaseModel):
    """What Jackfield tells beside OpenAI's fields."""

    turn: str = Field(description="Id of the (first) turn: /api/traces/{turn_id} tells its way")
    turns: list[str] = Field(description="Ids of all turns, one for each choice")
    plugins: list[str] = Field(description="Plugins that ran")
    sources: list[Source] = Field([], description="Passages given to the model as context")
    notices: list[str] = Field([], description="What the user should know")
    tools: list[ToolStep] = Field([], description="Tools that Jackfield ran, in order")


class ChatReplyMessage(BaseModel):
    """The model's message."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    reasoning_content: str | None = None
    refusal: None = None
    tool_calls: list[ToolCallField] | None = Field(None, description="What the client has to run")


class ChatChoice(BaseModel):
    """One reply."""

    index: int
    message: ChatReplyMessage
    finish_reason: Finish
    logprobs: ChatLogprobs | None = None


class ChatCompletion(BaseModel):
    """The answer to a chat request."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    jackfield: Additions


class TextChoice(BaseModel):
    """One text."""

    index: int
    text: str
    finish_reason: Finish
    logprobs: CompletionLogprobs | None = None


class TextCompletion(BaseModel):
    """The answer to a completion request."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage
    jackfield: Additions


def finish_reason(reason: FinishReason | None) -> Finish:
    """OpenAI's word for why a reply ended."""
    return "length" if reason == "length" else "tool_calls" if reason == "tool_calls" else "stop"


def usage(replies: Sequence[Reply], prompts: int = 1) -> Usage:
    """Token counts of replies together; a prompt that several answer counts once."""
    found = [one.usage for one in replies if one.usage is not None]
    each = max(1, len(replies) // prompts)
    prompt = sum(one.prompt_tokens for one in found[::each])
    completion = sum(one.completion_tokens for one in found)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=TokenDetails(
            cached_tokens=sum(one.cached_tokens for one in found[::each])
        ),
    )


def additions(replies: Sequence[Reply], traces: TraceStore) -> Additions:
    """What Jackfield tells of these turns."""
    plugins: list[str] = []
    for one in replies:
        plugins += [name for name in _plugins(one.turn, traces) if name not in plugins]
    return Additions(
        turn=replies[0].turn,
        turns=[one.turn for one in replies],
        plugins=plugins,
        sources=[
            Source(**msgspec.to_builtins(passage)) for one in replies for passage in one.sources
        ],
        notices=list(dict.fromkeys(notice for one in replies for notice in one.notices)),
        tools=[step for one in replies for step in _steps(one)],
    )


def _steps(reply: Reply) -> list[ToolStep]:
    calls = {one.id: one for one in reply.calls}
    return [
        ToolStep(
            name=one.name,
            arguments=calls[one.call_id].arguments,
            result=one.text,
            error=one.error,
            seconds=one.seconds,
        )
        for one in reply.results
    ]


def _plugins(turn: str, traces: TraceStore) -> list[str]:
    try:
        return traces.get(turn).plugins
    except NotFound:
        return []  # a turn whose trace was not kept


def plain(model: BaseModel) -> dict[str, Any]:
    """A model as plain values, for a stream."""
    return model.model_dump(mode="json")
