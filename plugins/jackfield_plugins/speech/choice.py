"""Which engine and voice speak, and which engine listens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield import (
    InvalidRequest,
    Sound,
    SpeechRecognizer,
    SpeechSynthesizer,
    Voice,
)
from jackfield_plugins.speech.engine import NotReady, ready

if TYPE_CHECKING:
    from jackfield.application import Application

PREFERRED = ("kokoro", "piper", "hibari")
"""Engines in the order in which they are taken where the user has chosen none; others follow."""

LAST = ("espeak",)
"""Engines that are taken where no other is ready: they sound like a robot."""

OPENAI = frozenset(
    [
        "alloy",
        "ash",
        "ballad",
        "cedar",
        "coral",
        "echo",
        "fable",
        "marin",
        "nova",
        "onyx",
        "sage",
        "shimmer",
        "verse",
    ]
)
"""Names of OpenAI's voices; clients send them without having been told, for the usual voice."""

OPENAI_MODEL = re.compile(
    r"(?:tts-1|tts-1-hd|gpt-4o-mini-tts|whisper-1|gpt-4o(?:-mini)?-transcribe(?:-diarize)?)"
    r"(?:-\d{4}(?:-\d\d-\d\d)?)?"
)
"""Names of OpenAI's models for speech, with a date or not."""
NONE_SPEAKS = "No engine that speaks is ready."
NONE_LISTENS = "No engine that understands speech is ready."


def own_model(name: str) -> str:
    """What a request names as its model; "" for OpenAI's, which clients send without being told."""
    return "" if OPENAI_MODEL.fullmatch(name) else name


class Speaker(msgspec.Struct, frozen=True):
    """A voice with its engine."""

    engine: SpeechSynthesizer
    voice: Voice

    @property
    def name(self) -> str:
        """``engine/voice``."""
        return f"{self.engine.name}/{self.voice.name}"

    def speak(self, text: str, speed: float) -> Sound:
        """Speak a sentence."""
        return self.engine.speak(text, self.voice.name, speed=speed)


def synthesizers(app: Application) -> Mapping[str, SpeechSynthesizer]:
    """Engines that speak, those preferred first."""
    engines = app.plugins.speech_synthesizers()
    others = [name for name in engines if name not in (*PREFERRED, *LAST)]
    return {name: engines[name] for name in (*PREFERRED, *others, *LAST) if name in engines}


def speakers(app: Application) -> Iterator[Speaker]:
    """Every voice that is there."""
    for engine in synthesizers(app).values():
        for voice in engine.voices() if not engine.missing() else ():
            yield Speaker(engine, voice)


def speaker(app: Application, wanted: str, *, engine: str = "", language: str = "") -> Speaker:
    """The voice that is wanted.

    Args:
        wanted: ``engine/voice``, a voice or an engine by name, or "" for the first that is ready.
        engine: take its voices alone.
        language: prefer a voice that speaks it, where none is wanted.

    Raises:
        InvalidRequest: there is no such voice.
        NotReady: nothing that speaks is ready.
    """
    everyone = [one for one in speakers(app) if engine in ("", one.engine.name)]
    if not everyone:
        raise NotReady(NONE_SPEAKS, hint=f"Do one of these: {_missing(app, engine)}")
    for one in everyone:
        if wanted and wanted in (one.name, one.voice.name, one.engine.name):
            return one
    if not wanted:
        fitting = (one for one in everyone if one.voice.language.split("-")[0] == language)
        return next(fitting, everyone[0])
    known = synthesizers(app).get(wanted.partition("/")[0])
    if known is not None:
        ready(known.title, known.missing())
    raise InvalidRequest(
        f"There is no voice {wanted!r}.",
        hint="All voices: jackfield voices, or GET /v1/audio/voices",
        param="voice",
    )


def listener(app: Application, wanted: str) -> tuple[SpeechRecognizer, str]:
    """The engine that listens and its model.

    Args:
        wanted: an engine, a model, ``engine/model``, or "" for the first that is ready.

    Raises:
        InvalidRequest: there is no such model.
        NotReady: nothing that listens is ready.
    """
    engines = app.plugins.speech_recognizers()
    ready = {name: engine for name, engine in engines.items() if not engine.missing()}
    if not ready:
        todo = "; ".join(engine.missing() for engine in engines.values())
        raise NotReady(NONE_LISTENS, hint=f"Do: {todo}" if todo else "Enable the plugin whisper.")
    for name, engine in ready.items():
        if wanted in ("", name):
            return engine, ""
        for model in engine.models():
            if wanted in (model, f"{name}/{model}"):
                return engine, model
    models = [f"{name}/{model}" for name, engine in ready.items() for model in engine.models()]
    raise InvalidRequest(
        f"There is no model {wanted!r} that understands speech.",
        hint=f"There are: {', '.join(models)}.",
        param="model",
    )


def listed(app: Application) -> dict[str, Any]:
    """All voices and the engines that speak, for JSON."""
    voices = [
        {
            "id": one.name,
            "engine": one.engine.name,
            "name": one.voice.name,
            "title": one.voice.title,
            "language": one.voice.language,
        }
        for one in speakers(app)
    ]
    engines = [
        {"name": one.name, "title": one.title, "license": one.license, "missing": one.missing()}
        for one in synthesizers(app).values()
    ]
    return {"object": "list", "data": voices, "engines": engines}


def _missing(app: Application, engine: str) -> str:
    """What would make an engine ready."""
    engines = [one for one in synthesizers(app).values() if engine in ("", one.name)]
    todo = [one.missing() for one in engines if one.missing()]
    return "; ".join(todo) or "enable one of the plugins kokoro, piper, hibari or espeak"
