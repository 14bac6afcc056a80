"""Frames between host and worker."""

from pathlib import Path

import pytest

from jackfield.errors import JackfieldError, LoaderError, LoadFailed, PromptTooLong
from jackfield.loader import ModelFiles, Prompt, Token
from jackfield.messages import Alternative, MediaPart
from jackfield.worker import frames
from jackfield.worker.failure import packed, unpacked
from jackfield.worker.reference import LoaderReference

ORDERS: list[frames.Order] = [
    frames.Load(
        LoaderReference("some.module", "Outer.Inner", "/x/y.py"),
        ModelFiles(Path("/models/ä.gguf"), "gguf", 7, {"general.architecture": "llama", "n": [1]}),
        {"n_ctx": 10, "nested": {"a": None}},
    ),
    frames.Complete(
        1,
        Prompt("héllo 👋🏽", (MediaPart("image/png", b"\x00\xff"),)),
        {"logit_bias": {5: -100.0}, "stop": ["a"]},
    ),
    frames.Cancel(1),
    frames.Tokenize(2, "text", False),
    frames.Detokenize(3, [1, 2**50]),
    frames.Count(4, ""),
    frames.Ping(),
    frames.Close(),
]


def test_orders_arrive_as_they_were_sent() -> None:
    writer = frames.FrameWriter()
    reader: frames.FrameReader[frames.Order] = frames.FrameReader(frames.Order)
    assert reader.feed(b"".join(map(writer.frame, ORDERS))) == ORDERS


def test_frames_arrive_however_the_stream_is_cut() -> None:
    writer = frames.FrameWriter()
    data = b"".join(map(writer.frame, ORDERS))
    for size in (1, 3, 4, 5, 64):
        reader: frames.FrameReader[frames.Order] = frames.FrameReader(frames.Order)
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        assert [order for piece in pieces for order in reader.feed(piece)] == ORDERS


def test_a_token_keeps_all_its_fields() -> None:
    token = Token(
        "x", 5, -0.25, (Alternative("y", 6, -1.5),), "length", 10, cached_tokens=3,
        completion_tokens=2,
    )  # fmt: skip
    reader: frames.FrameReader[frames.Report] = frames.FrameReader(frames.Report)
    assert reader.feed(frames.FrameWriter().frame(frames.Tokens(9, token))) == [
        frames.Tokens(9, token)
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\xc1",
        b"\x00\x00\x00\x02\x91\xa0",
        b"Loading weights: 100%\n",
    ],
    ids=["too long", "no msgpack", "unknown tag", "text"],
)
def test_a_corrupt_stream_is_a_value_error(data: bytes) -> None:
    reader: frames.FrameReader[frames.Report] = frames.FrameReader(frames.Report)
    with pytest.raises(ValueError, match=r"."):
        reader.feed(data)


def test_a_message_that_is_too_long_is_refused_with_both_numbers(monkeypatch) -> None:
    monkeypatch.setattr(frames, "MAX_FRAME", 100)
    with pytest.raises(LoaderError, match=r"1,0\d\d bytes .* 100 are allowed"):
        frames.FrameWriter().frame(frames.Count(1, "x" * 1000))


def test_an_error_arrives_with_its_class_hint_and_details() -> None:
    error = PromptTooLong("Too long.", hint="Cut it.", tokens=9, limit=5, path=Path("/a"))
    reader: frames.FrameReader[frames.Report] = frames.FrameReader(frames.Report)
    (failed,) = reader.feed(frames.FrameWriter().frame(packed(error, 3, otherwise=LoaderError)))
    assert isinstance(failed, frames.Failed)
    arrived = unpacked(failed)
    assert type(arrived) is PromptTooLong
    assert (arrived.message, arrived.hint) == ("Too long.", "Cut it.")
    assert arrived.details == {"tokens": 9, "limit": 5, "path": "/a"}


def test_a_plugins_own_error_class_arrives_as_the_nearest_known_one() -> None:
    class Fussy(LoadFailed):
        """A loader's own."""

    assert type(unpacked(packed(Fussy("No."), 0, otherwise=LoaderError))) is LoadFailed


def test_a_foreign_error_arrives_with_its_type_and_message() -> None:
    arrived = unpacked(packed(KeyError("x"), 1, otherwise=LoaderError))
    assert type(arrived) is LoaderError
    assert arrived.message == "The loader raised KeyError: 'x'."


def test_details_may_have_any_names() -> None:
    error = JackfieldError("Odd.")
    error.details = {"hint": 1, "message": 2, "self": 3}
    assert unpacked(packed(error, 1, otherwise=LoaderError)).details == error.details
