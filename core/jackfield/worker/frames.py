"""What host and worker say to each other: msgpack structs, each behind its length in 4 bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from jackfield.errors import InvalidRequest, LoaderError
from jackfield.loader import Adapter, ModelFiles, ModelInfo, Prompt, Token
from jackfield.worker.reference import LoaderReference, ProcessorReference

MAX_FRAME = 1 << 30
"""Longest frame in bytes; anything longer is a sign that the stream is corrupt."""

_HEADER = 4

# Host to worker


class Load(msgspec.Struct, tag="load", array_like=True, frozen=True):
    """Load the model; answered by stages, then Loaded or a Failed of request 0."""

    loader: LoaderReference
    files: ModelFiles
    options: dict[str, Any]


class Complete(msgspec.Struct, tag="complete", array_like=True, frozen=True):
    """Generate; answered by tokens, then Ended or Failed. ``params`` are the set fields."""

    id: int
    prompt: Prompt
    params: dict[str, Any]
    processors: tuple[ProcessorReference, ...] = ()


class Cancel(msgspec.Struct, tag="cancel", array_like=True, frozen=True):
    """End a request; it still answers Ended when its slot is really free."""

    id: int


class Tokenize(msgspec.Struct, tag="tokenize", array_like=True, frozen=True):
    """Answered by a Result with token ids."""

    id: int
    text: str
    special: bool


class Detokenize(msgspec.Struct, tag="detokenize", array_like=True, frozen=True):
    """Answered by a Result with text."""

    id: int
    tokens: list[int]


class Count(msgspec.Struct, tag="count", array_like=True, frozen=True):
    """Answered by a Result with a number."""

    id: int
    text: str


class Embed(msgspec.Struct, tag="embed", array_like=True, frozen=True):
    """Answered by a Result with Embeddings; holds a slot."""

    id: int
    texts: list[str]
    dimensions: int


class Rerank(msgspec.Struct, tag="rerank", array_like=True, frozen=True):
    """Answered by a Result with a Ranking; holds a slot."""

    id: int
    query: str
    documents: list[str]


class SetAdapters(msgspec.Struct, tag="set_adapters", array_like=True, frozen=True):
    """Answered by a Result with nothing."""

    id: int
    adapters: list[Adapter]


class Ping(msgspec.Struct, tag="ping", array_like=True, frozen=True):
    """Answered by a Pong."""


class Close(msgspec.Struct, tag="close", array_like=True, frozen=True):
    """Close the model and end the process."""


Question: TypeAlias = Tokenize | Detokenize | Count | Embed | Rerank | SetAdapters
"""An order that is answered by a Result or a Failed."""

Order: TypeAlias = Load | Complete | Cancel | Question | Ping | Close

# Worker to host


class Stage(msgspec.Struct, tag="stage", array_like=True, frozen=True):
    """Where start-up has got to: ``importing`` or ``loading``."""

    name: str


class Loaded(msgspec.Struct, tag="loaded", array_like=True, frozen=True):
    """The model is ready."""

    info: ModelInfo


class Tokens(msgspec.Struct, tag="tokens", array_like=True, frozen=True):
    """The next token of a request."""

    id: int
    token: Token


class Fault(msgspec.Struct, tag="fault", array_like=True, frozen=True):
    """A plugin's logits processor failed; the request goes on without it."""

    id: int
    owner: str
    words: str


class Ended(msgspec.Struct, tag="ended", array_like=True, frozen=True):
    """The request is over and what it held is free."""

    id: int


class Result(msgspec.Struct, tag="result", array_like=True, frozen=True):
    """The answer to a Question."""

    id: int
    value: Any


class Failed(msgspec.Struct, tag="failed", array_like=True, frozen=True):
    """A request, or with id 0 the load, ended with an error.

    ``kinds`` are the names of the error's classes, the nearest first: the host makes the first
    one it knows.
    """

    id: int
    kinds: list[str]
    message: str
    hint: str
    details: dict[str, Any]


class Pong(msgspec.Struct, tag="pong", array_like=True, frozen=True):
    """The worker answers."""


Report: TypeAlias = Stage | Loaded | Tokens | Fault | Ended | Result | Failed | Pong

Frame = TypeVar("Frame")


class FrameWriter:
    """Makes frames. Values that msgpack has no form for are sent as their ``str``."""

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder(enc_hook=str)

    def frame(self, message: Order | Report) -> bytes:
        """The message with its length before it.

        Raises:
            LoaderError: it is longer than a frame may be.
            InvalidRequest: a text in it holds half of a surrogate pair, which JSON can say.
        """
        buffer = bytearray(_HEADER)
        try:
            self._encoder.encode_into(message, buffer, _HEADER)
        except UnicodeEncodeError as error:
            raise InvalidRequest(
                f"A text has half a character at position {error.start}.", hint="Remove it."
            ) from error
        size = len(buffer) - _HEADER
        if size > MAX_FRAME:
            raise LoaderError(
                f"A message of {size:,} bytes is too long for a worker: {MAX_FRAME:,} are allowed.",
                hint="Send less at once, for example smaller images.",
            )
        buffer[:_HEADER] = size.to_bytes(_HEADER, "big")
        return bytes(buffer)


def _decoded(kind: type, value: Any) -> Any:
    """A value of a type that msgpack does not know: paths, sent as text."""
    if issubclass(kind, Path):
        return kind(value)
    raise NotImplementedError(kind)


class FrameReader(Generic[Frame]):
    """Takes frames out of a stream of bytes, however it is cut."""

    def __init__(self, kinds: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(
            kinds, dec_hook=_decoded
        )
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole with these bytes.

        Raises:
            ValueError: the stream is corrupt (msgspec's errors are ValueErrors too).
        """
        buffer = self._buffer
        buffer += data
        start, end = 0, len(buffer)
        frames = []
        with memoryview(buffer) as view:
            while end - start >= _HEADER:
                size = int.from_bytes(view[start : start + _HEADER], "big")
                if size > MAX_FRAME:
                    raise ValueError(f"a frame of {size:,} bytes")
                if end - start - _HEADER < size:
                    break
                start += _HEADER
                frames.append(self._decoder.decode(view[start : start + size]))
                start += size
        del buffer[:start]
        return frames
