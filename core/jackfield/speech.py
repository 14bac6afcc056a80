"""Speech: what an engine that speaks or listens implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import msgspec


class Voice(msgspec.Struct, frozen=True, kw_only=True):
    """A voice of an engine.

    Attributes:
        name: unique within its engine, e.g. ``af_heart``.
        title: what the user reads.
        language: as in BCP 47, e.g. ``en-US``.
        sample: a sentence to try it out with, in its language.
    """

    name: str
    title: str
    language: str
    sample: str = ""


class Sound(msgspec.Struct, frozen=True):
    """Speech as samples.

    Attributes:
        samples: signed 16-bit little-endian, one channel.
        rate: samples per second.
    """

    samples: bytes
    rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / 2 / self.rate


class SpeechSynthesizer(ABC):
    """Makes speech of text. Its methods may be called by several threads at once.

    Attributes:
        name: lower-case, e.g. ``kokoro``.
        title: what the user reads.
        license: of engine and voices, for the user.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    license: ClassVar[str] = ""

    @abstractmethod
    def missing(self) -> str:
        """What has to be done before it can speak, as one command or sentence; "" if nothing."""

    @abstractmethod
    def voices(self) -> Sequence[Voice]:
        """Its voices, the best first; none while something is missing."""

    @abstractmethod
    def speak(self, text: str, voice: str, *, speed: float = 1.0) -> Sound:
        """Speak a sentence or a few.

        Args:
            voice: name of one of its voices.
            speed: 1 is the voice's own; from 0.25 to 4.

        Raises:
            InvalidRequest: there is no such voice.
            JackfieldError: the engine is not installed or failed.
        """


class SpokenWord(msgspec.Struct, frozen=True):
    """A word with its place in the recording, in seconds."""

    text: str
    start: float
    end: float


class SpokenSegment(msgspec.Struct, frozen=True):
    """A sentence or so with its place in the recording, in seconds."""

    text: str
    start: float
    end: float
    words: tuple[SpokenWord, ...] = ()


class Transcript(msgspec.Struct, frozen=True):
    """What was said; ``text`` is empty for a recording without speech.

    Attributes:
        language: ISO 639-1 code, as detected or as told.
        seconds: how long the recording is.
    """

    text: str
    language: str
    seconds: float
    segments: tuple[SpokenSegment, ...] = ()


class SpeechRecognizer(ABC):
    """Makes text of speech. Its methods may be called by several threads at once.

    Attributes:
        name: lower-case, e.g. ``whisper``.
        title: what the user reads.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def missing(self) -> str:
        """What has to be done before it can listen, as one command or sentence; "" if nothing."""

    @abstractmethod
    def models(self) -> Sequence[str]:
        """Names of the models it has, the best first; none while something is missing."""

    @abstractmethod
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
        """What is said in a recording.

        Args:
            audio: a file as it is: wav, mp3, ogg, webm, m4a, flac, ...
            model: one of its models; "" for the best.
            language: ISO 639-1; "" to detect it.
            prompt: words that come before it or are likely, to guide spelling.
            words: find the place of each word, too.
            translate: into English.

        Raises:
            InvalidRequest: this is no recording, or there is no such model.
            JackfieldError: the engine is not installed or failed.
        """
