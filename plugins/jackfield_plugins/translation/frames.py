"""What the host and the process that translates say to each other: msgpack behind its length."""

from __future__ import annotations

from typing import IO, TypeVar

import msgspec

T = TypeVar("T")

_HEADER = 4  # bytes, big-endian


class Order(msgspec.Struct, frozen=True):
    """Translate sentences.

    Attributes:
        model: folder of a CTranslate2 model with ``source.spm`` and ``target.spm``.
        prefix: a token that tells a model of several languages which to write, or "".
        beam: how many translations are followed at once.
        threads: for one translation.
        device: ``cpu``, ``cuda`` or ``auto``.
    """

    model: str
    texts: list[str]
    prefix: str
    beam: int
    threads: int
    device: str


class Answer(msgspec.Struct, frozen=True):
    """The translations, or why there are none."""

    texts: list[str]
    error: str = ""


def write(stream: IO[bytes], frame: Order | Answer) -> None:
    """Send a frame."""
    data = msgspec.msgpack.encode(frame)
    stream.write(len(data).to_bytes(_HEADER, "big") + data)
    stream.flush()


def read(stream: IO[bytes], kind: type[T]) -> T:
    """Wait for a frame.

    Raises:
        EOFError: the other side has gone.
    """
    length = int.from_bytes(_exactly(stream, _HEADER), "big")
    return msgspec.msgpack.decode(_exactly(stream, length), type=kind)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError("the pipe was closed")
    return data
