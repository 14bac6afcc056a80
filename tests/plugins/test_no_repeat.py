"""No run of tokens twice: the processor by itself, and through the pipeline."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jackfield.testing import PluginConformance, Workbench
from jackfield_plugins.no_repeat import NoRepeat, RunsOnce

SCORES = {"processors": True}


class TestNoRepeat(PluginConformance):
    plugin = NoRepeat


def banned(processor: RunsOnce, tokens: list[int]) -> set[int]:
    scores = processor(tokens, np.zeros(10, np.float32))
    return {int(one) for one in np.flatnonzero(np.isneginf(scores))}


@given(
    st.lists(st.integers(0, 3), max_size=30),
    st.lists(st.integers(0, 3), max_size=10),
    st.integers(2, 4),
    st.booleans(),
)
def test_it_bans_just_what_would_come_twice(
    reply: list[int], prompt: list[int], size: int, prompt_too: bool
) -> None:
    processor = RunsOnce(size, prompt_too)
    processor.begin(None, prompt)  # type: ignore[arg-type]
    for end in range(len(reply) + 1):
        tokens = prompt + reply[:end]
        text = tokens if prompt_too else reply[:end]
        runs = {tuple(text[at : at + size]) for at in range(len(text) - size + 1)}
        lead = tuple(text[len(text) - size + 1 :])
        wanted = (
            {one for one in range(4) if (*lead, one) in runs} if len(lead) == size - 1 else set()
        )
        assert banned(processor, tokens) == wanted


def test_a_reply_does_not_go_round_in_circles() -> None:
    with Workbench(NoRepeat, config={"size": 3}, model=SCORES, replies=["ab cd ef " * 8]) as bench:
        bench.app.plugins.disable("under-test")
        assert bench.chat("hi").text == "ab cd ef " * 8
        bench.app.plugins.enable("under-test")
        text = bench.chat("hi").text
    assert text.startswith("ab cd ef ")
    assert "ab cd ef ab cd ef" not in text


def test_the_message_may_be_repeated_unless_the_prompt_counts_too() -> None:
    words = "one two three four five six"
    with Workbench(NoRepeat, config={"size": 3}, model=SCORES) as bench:
        assert bench.chat(words).text == words
        bench.app.plugins.configure("under-test", {"prompt_too": True})
        assert bench.chat(words).text != words
