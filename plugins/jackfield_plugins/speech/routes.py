"""OpenAI's routes of speech."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from jackfield import InvalidRequest, JackfieldError, Sound, Transcript
from jackfield_plugins.speech import transcripts
from jackfield_plugins.speech.choice import (
    OPENAI,
    Speaker,
    listed,
    own_model,
    synthesizers,
)
from jackfield_plugins.speech.sentences import sentences
from jackfield_plugins.speech.sound_files import KINDS, Format, pieces
from jackfield_plugins.speech.transcripts import TranscriptFormat

if TYPE_CHECKING:
    from jackfield_plugins.speech.plugin import Speech

LONGEST = 4096  # characters of a text, as OpenAI has it
LARGEST = 25 * 1024 * 1024  # bytes of a recording, as OpenAI has it
LOOK = 0.25  # seconds between looks whether the client has gone

T = TypeVar("T")


class SpeechRequest(BaseModel):
    """What is to be spoken, and how."""

    input: str = Field(description=f"The text, {LONGEST} characters at most")
    model: str = Field("", description="tts-1 for the usual engine, or an engine by name")
    voice: str | dict[str, str] = Field(
        "", description="engine/voice, a voice by name, or one of OpenAI's for the usual voice"
    )
    response_format: Format = Field("mp3", description="What comes back")
    speed: float = Field(1.0, ge=0.25, le=4.0, description="1 is the voice's own")
    stream_format: Literal["audio", "sse"] = Field("audio", description="How it comes back")


def router(plugin: Speech) -> APIRouter:
    """The routes."""
    made = APIRouter()
    _add_transcriptions(made, plugin)
    _add_translations(made, plugin)

    @made.post("/v1/audio/speech")
    async def speech(request: Request, wanted: SpeechRequest) -> Response:
        """Speak a text; it comes back sentence by sentence where the format allows it."""
        speaker = await anyio.to_thread.run_sync(partial(_speaker, plugin, wanted))
        return await _spoken(request, speaker, wanted)

    @made.get("/v1/audio/voices")
    def voices() -> dict[str, Any]:
        """All voices, and what engines still need."""
        return listed(plugin.app)

    return made


def _add_transcriptions(made: APIRouter, plugin: Speech) -> None:
    @made.post("/v1/audio/transcriptions")
    async def transcriptions(
        request: Request,
        file: Annotated[UploadFile, File(description="A recording")],
        model: Annotated[str, Form()] = "",
        language: Annotated[str, Form()] = "",
        prompt: Annotated[str, Form()] = "",
        response_format: Annotated[TranscriptFormat, Form()] = "json",
        temperature: Annotated[float, Form(ge=0, le=1)] = 0.0,
        granularities: Annotated[
            list[Literal["word", "segment"]], Form(alias="timestamp_granularities[]")
        ] = [],  # noqa: B006 - FastAPI copies it
    ) -> Response:
        """Write down what is said in a recording."""
        words = "word" in granularities
        if granularities and response_format != "verbose_json":
            raise InvalidRequest(
                "Times are given in 'verbose_json' alone.",
                hint="Set response_format to verbose_json.",
                param="timestamp_granularities",
            )
        work = partial(
            plugin.transcribe,
            await _recording(file),
            model=own_model(model),
            language=language,
            prompt=prompt,
            temperature=temperature,
            words=words,
        )
        found = await _unless_gone(request, work)
        segments = not granularities or "segment" in granularities
        return _written(found, response_format, words=words, segments=segments)


def _add_translations(made: APIRouter, plugin: Speech) -> None:
    @made.post("/v1/audio/translations")
    async def translations(
        request: Request,
        file: Annotated[UploadFile, File(description="A recording")],
        model: Annotated[str, Form()] = "",
        prompt: Annotated[str, Form()] = "",
        response_format: Annotated[TranscriptFormat, Form()] = "json",
        temperature: Annotated[float, Form(ge=0, le=1)] = 0.0,
    ) -> Response:
        """Write down in English what is said in a recording."""
        work = partial(
            plugin.transcribe,
            await _recording(file),
            model=own_model(model),
            prompt=prompt,
            temperature=temperature,
            translate=True,
        )
        return _written(await _unless_gone(request, work), response_format, task="translate")


def _speaker(plugin: Speech, wanted: SpeechRequest) -> Speaker:
    """The voice of a request, whose text is looked at first."""
    if not wanted.input.strip():
        raise InvalidRequest(
            "The text is empty.", hint="Put what is to be spoken in 'input'.", param="input"
        )
    if len(wanted.input) > LONGEST:
        raise InvalidRequest(
            f"The text has {len(wanted.input)} characters; {LONGEST} are allowed.",
            hint="Send it in parts.",
            param="input",
        )
    voice = wanted.voice.get("id", "") if isinstance(wanted.voice, dict) else wanted.voice
    engine = own_model(wanted.model)
    if engine and engine not in synthesizers(plugin.app):
        raise InvalidRequest(
            f"There is no engine {engine!r} that speaks.",
            hint=f"There are: {', '.join(synthesizers(plugin.app))}.",
            param="model",
        )
    try:
        return plugin.speaker(voice, engine)
    except InvalidRequest:
        if voice not in OPENAI:
            raise
        return plugin.speaker("", engine)


async def _spoken(request: Request, speaker: Speaker, wanted: SpeechRequest) -> Response:
    """The answer, begun once the first sentence is spoken, so that a failure has its status."""
    kind = KINDS[wanted.response_format]
    found = sentences(wanted.input)
    files = pieces(_sounds(speaker, found, wanted.speed), wanted.response_format)
    if found and wanted.stream_format == "audio" and not kind.streams:
        whole = await _unless_gone(request, lambda: b"".join(files))
        return Response(whole, media_type=kind.media_type)
    first = await _next(files) if found else None
    if first is None:
        raise InvalidRequest("There is nothing in the text that could be spoken.", param="input")
    if wanted.stream_format == "sse":
        return StreamingResponse(_events(first, files), media_type="text/event-stream")
    return StreamingResponse(_whole(first, files), media_type=kind.media_type)


def _sounds(speaker: Speaker, found: Sequence[str], speed: float) -> Iterator[Sound]:
    for sentence in found:
        anyio.from_thread.check_cancelled()  # whoever waits for it may have gone
        yield speaker.speak(sentence, speed)


async def _next(files: Iterator[bytes]) -> bytes | None:
    """The next piece, made in a thread that a client's leaving ends."""
    return await anyio.to_thread.run_sync(next, files, None, abandon_on_cancel=True)


async def _rest(files: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await _next(files)) is not None:
        yield piece


async def _whole(first: bytes, files: Iterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in _rest(files):
        yield piece


async def _events(first: bytes, files: Iterator[bytes]) -> AsyncIterator[bytes]:
    """OpenAI's events of speech; a failure is one, too."""
    try:
        async for piece in _whole(first, files):
            yield _event("speech.audio.delta", audio=base64.b64encode(piece).decode())
    except JackfieldError as error:
        yield _event("error", error={"message": str(error), "code": error.code})
        return
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield _event("speech.audio.done", usage=usage)


def _event(kind: str, **fields: Any) -> bytes:
    return f"data: {json.dumps({'type': kind, **fields})}\n\n".encode()


async def _recording(file: UploadFile) -> bytes:
    """An uploaded recording."""
    if file.size is not None and file.size > LARGEST:
        raise InvalidRequest(
            f"The recording has {file.size:,} bytes; {LARGEST:,} are allowed.",
            hint="Send it as mp3 or ogg, or in parts.",
            param="file",
        )
    data = await file.read()
    if not data:
        raise InvalidRequest("The file is empty.", hint="Send a recording.", param="file")
    return data


async def _unless_gone(request: Request, work: Callable[[], T]) -> T:
    """Work in a thread; a client that leaves ends it."""
    made: list[T] = []
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while not await request.is_disconnected():
                await anyio.sleep(LOOK)
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            made.append(await anyio.to_thread.run_sync(work, abandon_on_cancel=True))
        except JackfieldError as error:
            failure: JackfieldError | None = error
        else:
            failure = None
        group.cancel_scope.cancel()
    if not made:
        raise failure or JackfieldError("The client has gone.")
    return made[0]


def _written(
    found: Transcript,
    kind: TranscriptFormat,
    *,
    task: str = "transcribe",
    words: bool = False,
    segments: bool = True,
) -> Response:
    """A transcript in the format that was asked for."""
    match kind:
        case "text":
            return Response(f"{found.text}\n", media_type="text/plain")
        case "srt":
            return Response(transcripts.srt(found), media_type="text/plain")
        case "vtt":
            return Response(transcripts.vtt(found), media_type="text/vtt")
        case "verbose_json":
            return JSONResponse(
                transcripts.verbose(found, task=task, words=words, segments=segments)
            )
        case "json":
            return JSONResponse({"text": found.text})
