"""``/v1/chat/completions``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.responses import Response

from jackfield.api.chat_messages import conversation
from jackfield.api.context import App, Counts
from jackfield.api.errors import ErrorResponse, event_body
from jackfield.api.event_stream import END, STILL_HERE, EventStream, data
from jackfield.api.logprobs import chat_logprobs
from jackfield.api.metrics import Metrics
from jackfield.api.replies import (
    ChatChoice,
    ChatCompletion,
    ChatReplyMessage,
    additions,
    finish_reason,
    plain,
    usage,
)
from jackfield.api.requests import ChatRequest
from jackfield.api.sampling_fields import chat_sampling, seeded
from jackfield.api.tool_fields import call_field, choice, definitions
from jackfield.api.turns import Reply, Turns, replies
from jackfield.application import Application
from jackfield.messages import (
    DoneEvent,
    ErrorEvent,
    Event,
    ReasoningEvent,
    TextEvent,
    ToolCallEvent,
)
from jackfield.pipeline import Turn

router = APIRouter(tags=["OpenAI"])


@router.post(
    "/v1/chat/completions",
    response_model=ChatCompletion,
    responses={400: {"model": ErrorResponse}, 404: {"model": ErrorResponse}},
)
async def chat(sent: ChatRequest, request: Request, app: App, counts: Counts) -> Any:
    """Answer a conversation; with ``stream``, as server-sent events."""
    turns = _turns(sent, app)
    if sent.stream:
        return await _streamed(sent, turns, request, app, counts)
    found = await replies(app.pipeline, turns, request)
    for one in found:
        if one.usage is not None:
            counts.count(sent.model, one.usage)
    return ChatCompletion(
        id=f"chatcmpl-{turns[0].id}",
        created=int(time.time()),
        model=sent.model,
        choices=[_choice(index, one, sent) for index, one in enumerate(found)],
        usage=usage(found),
        jackfield=additions(found, app.traces),
    )


def _turns(sent: ChatRequest, app: Application) -> list[Turn]:
    messages = conversation(sent)
    tools = definitions(sent.tools)
    sampling = chat_sampling(sent, app.plugins.sampling_presets())
    return [
        Turn(
            id=uuid4().hex,
            messages=list(messages),
            model=sent.model,
            sampling=seeded(sampling, index),
            template=sent.template or "",
            on=tuple(sent.plugins.on),
            off=tuple(sent.plugins.off),
            options=sent.plugins.options,
            tools=tools,
            use_tools=tuple(sent.use_tools),
            tool_choice=choice(sent.tool_choice),
            parallel_tool_calls=sent.parallel_tool_calls is not False,
            origin="api",
        )
        for index in range(sent.n or 1)
    ]


def _choice(index: int, reply: Reply, sent: ChatRequest) -> ChatChoice:
    return ChatChoice(
        index=index,
        message=ChatReplyMessage(
            content=reply.text or (None if reply.for_client else ""),
            reasoning_content=reply.reasoning or None,
            tool_calls=[call_field(call) for call in reply.for_client] or None,
        ),
        finish_reason=finish_reason(reply.finish),
        logprobs=chat_logprobs(reply.logprobs) if sent.logprobs else None,
    )


async def _streamed(
    sent: ChatRequest, turns: Sequence[Turn], request: Request, app: Application, counts: Metrics
) -> Response:
    running = Turns(app.pipeline, turns)
    await running.ready(request)
    return EventStream(_events(sent, turns, running, app, counts), running.cancel, turns[0].id)


async def _events(
    sent: ChatRequest, turns: Sequence[Turn], running: Turns, app: Application, counts: Metrics
) -> AsyncIterator[bytes]:
    """The chunks of a streamed answer."""
    chunks = _Chunks(sent, turns[0].id)
    found = [Reply(turn.id) for turn in turns]
    for index in range(len(turns)):
        yield chunks.chunk(index, {"role": "assistant", "content": ""})
    async for one in running.events():
        if one is None:
            yield STILL_HERE
            continue
        index, event = one
        if isinstance(event, ErrorEvent):
            running.cancel()
            yield data(event_body(event))
            return
        reply = found[index]
        reply.add(event)
        if isinstance(event, DoneEvent):
            if running.held[index] and reply.text:
                yield chunks.chunk(index, {"content": reply.text}, chunks.logprobs(reply.logprobs))
            extra = {"jackfield": plain(additions([reply], app.traces))}
            yield chunks.chunk(index, {}, finish=finish_reason(reply.finish), extra=extra)
        elif isinstance(event, ToolCallEvent):
            if event.client:
                yield chunks.chunk(index, _call_delta(event, len(reply.for_client) - 1))
        elif not running.held[index] and (delta := _delta(event)):
            yield chunks.chunk(index, delta, chunks.logprobs(getattr(event, "logprobs", ())))
    for reply in found:
        if reply.usage is not None:
            counts.count(sent.model, reply.usage)
    if chunks.with_usage:
        yield chunks.usage(found)
    yield END


def _delta(event: Event) -> dict[str, Any]:
    """What an event adds to the message."""
    if isinstance(event, TextEvent) and (event.text or event.logprobs):
        return {"content": event.text}
    if isinstance(event, ReasoningEvent):
        return {"reasoning_content": event.text}
    return {}


def _call_delta(event: ToolCallEvent, place: int) -> dict[str, Any]:
    """A call of a tool as a piece of the message."""
    return {"tool_calls": [{"index": place, **plain(call_field(event.call))}]}


class _Chunks:
    """Makes the chunks of one answer."""

    def __init__(self, sent: ChatRequest, turn: str) -> None:
        self.with_usage = bool(sent.stream_options and sent.stream_options.include_usage)
        self._with_logprobs = bool(sent.logprobs)
        self._head = {
            "id": f"chatcmpl-{turn}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": sent.model,
        }
        if self.with_usage:
            self._head["usage"] = None

    def chunk(
        self,
        index: int,
        delta: dict[str, Any],
        logprobs: dict[str, Any] | None = None,
        *,
        finish: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> bytes:
        """A piece of the reply at ``index``."""
        choice = {"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
        return data({**self._head, "choices": [choice], **(extra or {})})

    def usage(self, found: Sequence[Reply]) -> bytes:
        """The chunk with the token counts."""
        return data({**self._head, "choices": [], "usage": plain(usage(found))})

    def logprobs(self, tokens: Any) -> dict[str, Any] | None:
        """Log probabilities of a piece, if they were asked for."""
        return plain(chat_logprobs(tokens)) if self._with_logprobs and tokens else None
