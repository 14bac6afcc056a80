"""Engines of speech for tests that need no weights."""

import threading
import time
from collections.abc import Sequence
from typing import ClassVar

from jackfield import (
    InvalidRequest,
    JackfieldError,
    Plugin,
    Sound,
    SpeechRecognizer,
    SpeechSynthesizer,
    Transcript,
    Voice,
    hookimpl,
)

RATE = 8000


class Humming(SpeechSynthesizer):
    """Hums for a tenth of a second for each word."""

    name = "humming"
    title = "Humming"

    def __init__(self) -> None:
        self.said: list[tuple[str, str, float]] = []
        self.delay = 0.0
        self.failures = 0
        self.lacks = ""
        self.speaking = threading.Event()

    def missing(self) -> str:
        return self.lacks

    def voices(self) -> Sequence[Voice]:
        return [
            Voice(name="low", title="Low", language="en-US", sample="Hmm."),
            Voice(name="high", title="High", language="fr-FR"),
        ]

    def speak(self, text: str, voice: str, *, speed: float = 1.0) -> Sound:
        self.speaking.set()
        time.sleep(self.delay)
        if self.failures:
            self.failures -= 1
            raise JackfieldError("The voice broke.", hint="Drink something.")
        self.said.append((text, voice, speed))
        return Sound(bytes(2 * RATE // 10) * len(text.split()), RATE)


class Parrot(SpeechRecognizer):
    """Hears what the recording is, as text."""

    name = "parrot"
    title = "Parrot"
    lacks = ""

    def missing(self) -> str:
        return self.lacks

    def models(self) -> Sequence[str]:
        return ["green"]

    def transcribe(
        self,
        audio: bytes,
        *,
        model: str = "",
        language: str = "",
        prompt: str = "",
        temperature: float = 0.0,
        words: bool = False,
        translate: bool = False,
    ) -> Transcript:
        try:
            text = audio.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest("This file is no recording.", param="file") from error
        return Transcript(text, language or "en", 1.0)


class Voices(Plugin):
    """Engines without weights."""

    engine: ClassVar[Humming]
    parrot: ClassVar[Parrot]

    @hookimpl
    def jackfield_speech_synthesizers(self) -> list[SpeechSynthesizer]:
        type(self).engine = Humming()
        return [self.engine]

    @hookimpl
    def jackfield_speech_recognizers(self) -> list[SpeechRecognizer]:
        type(self).parrot = Parrot()
        return [self.parrot]
