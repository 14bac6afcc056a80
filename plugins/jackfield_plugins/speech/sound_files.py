"""Makes files of speech: wav and pcm here, the others with FFmpeg's libraries (PyAV)."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from jackfield import JackfieldError, Sound

Format: TypeAlias = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
FORMATS: tuple[Format, ...] = get_args(Format)

RATE = 24_000
"""Samples per second of ``pcm``, as OpenAI's clients expect, and of what FFmpeg encodes."""

PAUSE = 0.25  # seconds between two sentences


class Kind(msgspec.Struct, frozen=True):
    """A format.

    Attributes:
        container, codec: FFmpeg's names; "" for those made here.
        streams: it can be sent in pieces, as its header does not tell the length.
    """

    media_type: str
    container: str = ""
    codec: str = ""
    streams: bool = True


KINDS: dict[Format, Kind] = {
    "mp3": Kind("audio/mpeg", "mp3", "libmp3lame"),
    "opus": Kind("audio/ogg", "ogg", "libopus"),
    "aac": Kind("audio/aac", "adts", "aac"),
    "flac": Kind("audio/flac", "flac", "flac", streams=False),
    "wav": Kind("audio/wav", streams=False),
    "pcm": Kind("audio/pcm"),
}


def wav(sound: Sound) -> bytes:
    """A WAV file (RIFF, PCM of 16 bits, one channel)."""
    size = len(sound.samples)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1),
        *(sound.rate, sound.rate * 2, 2, 16, b"data", size),
    )
    return head + sound.samples


def joined(sounds: Iterable[Sound]) -> Sound:
    """Sentences one after another with a pause between; all of one rate."""
    pieces: list[bytes] = []
    rate = RATE
    for sound in sounds:
        rate = sound.rate
        pieces += [silence(rate), sound.samples] if pieces else [sound.samples]
    return Sound(b"".join(pieces), rate)


def silence(rate: int) -> bytes:
    """What is between two sentences."""
    return bytes(2 * int(rate * PAUSE))


def encoded(sound: Sound, kind: Format) -> bytes:
    """A whole file of a sound."""
    return b"".join(pieces([sound], kind))


def pieces(sounds: Iterable[Sound], kind: Format) -> Iterator[bytes]:
    """A file in pieces, one or more for each sentence where the format can be streamed.

    Raises:
        JackfieldError: what makes this format is not installed.
    """
    if kind == "wav":
        yield wav(joined(sounds))
        return
    encoder = _Encoder(KINDS[kind]) if KINDS[kind].codec else _Samples()
    first = True
    for sound in sounds:
        samples = sound.samples if first else silence(sound.rate) + sound.samples
        first = False
        if piece := encoder.add(Sound(samples, sound.rate)):
            yield piece
    if piece := encoder.finish():
        yield piece


class _Encoder:
    """Encodes sound as it comes."""

    def __init__(self, kind: Kind) -> None:
        self._av = _library()
        self._output = _Output() if kind.streams else io.BytesIO()
        self._whole = not kind.streams
        self._container = self._av.open(self._output, "w", format=kind.container)
        self._stream = self._container.add_stream(kind.codec, rate=RATE, layout="mono")
        self._resampler = self._av.AudioResampler(
            format=self._stream.codec_context.format, layout="mono", rate=RATE
        )

    def add(self, sound: Sound) -> bytes:
        """What is ready with this sound."""
        if sound.samples:
            self._encode(_framed(self._av, sound))
        return b"" if self._whole else self._taken()

    def finish(self) -> bytes:
        """The rest."""
        self._encode(None)
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._taken()

    def _encode(self, frame: Any) -> None:
        for one in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(one))

    def _taken(self) -> bytes:
        return (
            self._output.taken() if isinstance(self._output, _Output) else self._output.getvalue()
        )


class _Samples:
    """Samples alone, at the usual rate."""

    def __init__(self) -> None:
        self._resampler: Any = None

    def add(self, sound: Sound) -> bytes:
        """The same sound, at another rate if need be."""
        if sound.rate == RATE or not sound.samples:
            return sound.samples
        av = _library()
        if self._resampler is None:
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        return self._bytes(_framed(av, sound))

    def finish(self) -> bytes:
        """What the change of rate still holds."""
        return b"" if self._resampler is None else self._bytes(None)

    def _bytes(self, frame: Any) -> bytes:
        made = self._resampler.resample(frame)
        return b"".join(bytes(one.planes[0])[: one.samples * 2] for one in made)


class _Output:
    """A file that FFmpeg writes to, and that is emptied as it fills."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since."""
        data, self._pieces = b"".join(self._pieces), []
        return data


def _framed(av: Any, sound: Sound) -> Any:
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(sound.samples) // 2)
    frame.planes[0].update(sound.samples)
    frame.sample_rate = sound.rate
    return frame


def _library() -> Any:
    try:
        import av
    except ImportError as error:
        raise JackfieldError(
            "This format needs FFmpeg's libraries, which are not installed; wav does not.",
            hint="Install them with: pip install 'jackfield[speech]'",
        ) from error
    return av
