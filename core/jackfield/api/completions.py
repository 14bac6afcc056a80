"""``/v1/completions``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.responses import Response

from jackfield.api.context import App, Counts
from jackfield.api.errors import ErrorResponse, event_body, invalid
from jackfield.api.event_stream import END, STILL_HERE, EventStream, data
from jackfield.api.logprobs import completion_logprobs
from jackfield.api.metrics import Metrics
from jackfield.api.replies import (
    TextChoice,
    TextCompletion,
    additions,
    finish_reason,
    plain,
    usage,
)
from jackfield.api.requests import CompletionRequest
from jackfield.api.sampling_fields import completion_sampling, seeded
from jackfield.api.turns import Reply, Turns, replies
from jackfield.application import Application
from jackfield.messages import DoneEvent, ErrorEvent, TextEvent, TokenLogprob
from jackfield.pipeline import Turn

router = APIRouter(tags=["OpenAI"])


@router.post(
    "/v1/completions",
    response_model=TextCompletion,
    responses={400: {"model": ErrorResponse}, 404: {"model": ErrorResponse}},
)
async def complete(sent: CompletionRequest, request: Request, app: App, counts: Counts) -> Any:
    """Continue a text; with ``stream``, as server-sent events."""
    _refuse(sent)
    prompts = await _prompts(sent, app)
    turns = _turns(sent, prompts, app)
    if sent.stream:
        return await _streamed(sent, turns, len(prompts), request, app, counts)
    found = await replies(app.pipeline, turns, request)
    for one in found:
        if one.usage is not None:
            counts.count(sent.model, one.usage)
    return TextCompletion(
        id=f"cmpl-{turns[0].id}",
        created=int(time.time()),
        model=sent.model,
        choices=[_choice(index, one, turns[index].prompt, sent) for index, one in enumerate(found)],
        usage=usage(found, len(prompts)),
        jackfield=additions(found, app.traces),
    )


def _refuse(sent: CompletionRequest) -> None:
    if sent.suffix:
        raise invalid("suffix", "'suffix' is not supported: text is only added at the end.")
    if sent.best_of is not None and sent.best_of != (sent.n or 1):
        raise invalid("best_of", "'best_of' is not supported, unless it equals 'n'.", "Use 'n'.")
    if sent.echo and sent.logprobs is not None:
        raise invalid(
            "echo", "'echo' cannot go together with 'logprobs': a prompt's are not computed."
        )


async def _prompts(sent: CompletionRequest, app: Application) -> list[str]:
    """The prompts as texts; token ids are turned back by the model itself."""
    several: list[Any]
    one_of_ids = bool(sent.prompt) and isinstance(sent.prompt[0], int)
    several = [sent.prompt] if isinstance(sent.prompt, str) or one_of_ids else list(sent.prompt)
    if not several or any(not one for one in several):
        raise invalid("prompt", "'prompt' is empty; there is nothing to continue.")
    if all(isinstance(one, str) for one in several):
        return several
    async with app.engine.use(sent.model) as resident:
        return [one if isinstance(one, str) else await resident.detokenize(one) for one in several]


def _turns(sent: CompletionRequest, prompts: Sequence[str], app: Application) -> list[Turn]:
    sampling = completion_sampling(sent, app.plugins.sampling_presets())
    return [
        Turn(
            id=uuid4().hex,
            messages=[],
            model=sent.model,
            sampling=seeded(sampling, number),
            mode="completion",
            prompt=prompt,
            on=tuple(sent.plugins.on),
            off=tuple(sent.plugins.off),
            origin="api",
        )
        for prompt in prompts
        for number in range(sent.n or 1)
    ]


def _choice(index: int, reply: Reply, prompt: str, sent: CompletionRequest) -> TextChoice:
    return TextChoice(
        index=index,
        text=prompt + reply.text if sent.echo else reply.text,
        finish_reason=finish_reason(reply.finish),
        logprobs=(
            completion_logprobs(reply.logprobs, len(prompt)) if sent.logprobs is not None else None
        ),
    )


async def _streamed(
    sent: CompletionRequest,
    turns: Sequence[Turn],
    prompts: int,
    request: Request,
    app: Application,
    counts: Metrics,
) -> Response:
    running = Turns(app.pipeline, turns)
    await running.ready(request)
    events = _events(sent, turns, prompts, running, app, counts)
    return EventStream(events, running.cancel, turns[0].id)


async def _events(
    sent: CompletionRequest,
    turns: Sequence[Turn],
    prompts: int,
    running: Turns,
    app: Application,
    counts: Metrics,
) -> AsyncIterator[bytes]:
    """The chunks of a streamed answer."""
    chunks = _Chunks(sent, turns)
    found = [Reply(turn.id) for turn in turns]
    if sent.echo:
        for index, turn in enumerate(turns):
            yield chunks.chunk(index, turn.prompt)
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
            text, tokens = (reply.text, reply.logprobs) if running.held[index] else ("", [])
            extra = {"jackfield": plain(additions([reply], app.traces))}
            yield chunks.chunk(index, text, tokens, finish_reason(reply.finish), extra)
        elif isinstance(event, TextEvent) and not running.held[index]:
            yield chunks.chunk(index, event.text, event.logprobs)
    for reply in found:
        if reply.usage is not None:
            counts.count(sent.model, reply.usage)
    if chunks.with_usage:
        yield chunks.usage(found, prompts)
    yield END


class _Chunks:
    """Makes the chunks of one answer, and keeps count of where in the text they are."""

    def __init__(self, sent: CompletionRequest, turns: Sequence[Turn]) -> None:
        self.with_usage = bool(sent.stream_options and sent.stream_options.include_usage)
        self._with_logprobs = sent.logprobs is not None
        self._offsets = [0 if sent.echo else len(turn.prompt) for turn in turns]
        self._head = {
            "id": f"cmpl-{turns[0].id}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": sent.model,
        }
        if self.with_usage:
            self._head["usage"] = None

    def chunk(
        self,
        index: int,
        text: str,
        tokens: Sequence[TokenLogprob] = (),
        finish: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> bytes:
        """A piece of the text at ``index``."""
        logprobs = None
        if self._with_logprobs and tokens:
            logprobs = plain(completion_logprobs(tokens, self._offsets[index]))
        self._offsets[index] += len(text)
        choice = {"index": index, "text": text, "finish_reason": finish, "logprobs": logprobs}
        return data({**self._head, "choices": [choice], **(extra or {})})

    def usage(self, found: Sequence[Reply], prompts: int) -> bytes:
        """The chunk with the token counts."""
        return data({**self._head, "choices": [], "usage": plain(usage(found, prompts))})
