"""Thoughts and text of a reply, told apart as they stream."""

import pytest

from jackfield.messages import Event, ReasoningEvent, TextEvent, TokenLogprob
from jackfield.pipeline.reply import ReasoningSplitter


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("reply", "inside", "thought", "text"),
    [
        ("<think>a</think>b", False, "a", "b"),
        ("  <think>\na b</think>\n\nc", False, "a b", "c"),
        ("a</think>b", True, "a", "b"),
        ("<thin", False, "", "<thin"),
        ("a <think>b</think>", False, "", "a <think>b</think>"),
        ("<think>never ends</thi", False, "never ends</thi", ""),
        ("", False, "", ""),
        ("  plain", False, "", "  plain"),
    ],
)
def test_thoughts_are_told_apart_however_the_text_is_cut(
    reply: str, inside: bool, thought: str, text: str, size: int
) -> None:
    splitter = ReasoningSplitter(inside=inside)
    events = []
    for start in range(0, len(reply), size):
        events += splitter.feed(reply[start : start + size])
    events += splitter.finish()
    assert "".join(event.text for event in events if isinstance(event, ReasoningEvent)) == thought
    assert "".join(event.text for event in events if isinstance(event, TextEvent)) == text


def test_what_follows_in_a_reply_that_has_begun_is_text() -> None:
    splitter = ReasoningSplitter(begun=True)
    assert splitter.feed("<think>") + splitter.finish() == [TextEvent("<think>")]


def test_the_probabilities_of_text_are_kept() -> None:
    splitter = ReasoningSplitter(inside=True)
    one = TokenLogprob("x", 1, -0.5)
    events: list[Event] = []
    for piece in ("hm", "</think>", "\n\n", "x"):
        events += splitter.feed(piece, (one,) if piece == "x" else ())
    assert events == [ReasoningEvent("hm"), TextEvent("x", (one,))]
