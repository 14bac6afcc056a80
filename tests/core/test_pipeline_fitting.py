"""What goes into a prompt when the context is short: passages and history."""

from collections.abc import Iterator
from typing import Any

import pytest

from jackfield import Passage, Plugin, SamplingParams, hookimpl
from jackfield.messages import ErrorEvent, Event, Message, NoticeEvent, SourceEvent, message
from jackfield.pipeline import Turn
from jackfield.testing import Workbench
from jackfield.trace import Trace

MODEL = "fake-model"
PASSAGES = (
    Passage("low " * 10, title="Low", score=0.1),
    Passage("best " * 10, title="Best", uri="file:best", score=0.9),
    Passage("huge " * 500, title="Huge", score=0.8),
    Passage("best " * 10, title="Best", uri="file:best", score=0.9),
    Passage("middle " * 10, title="Middle", score=0.5),
)


class Library(Plugin):
    """Finds passages."""

    @hookimpl
    def jackfield_add_context(self) -> list[Passage]:
        return list(PASSAGES)


@pytest.fixture(scope="module")
def bench() -> Iterator[Workbench]:
    with Workbench(replies=["ok"], model={"context_length": 200}) as bench:
        yield bench


def answer(bench: Workbench, messages: list[Message], **fields: Any) -> tuple[list[Event], Trace]:
    turn = Turn(model=MODEL, messages=messages, **fields)

    async def collect() -> list[Event]:
        return [event async for event in bench.app.pipeline.run(turn)]

    return bench.app.portal.call(collect), bench.app.traces.get(turn.id)


def talk(turns: int, words: int = 10) -> list[Message]:
    """An agent description, so many turns and a question."""
    said = [message("system", "Stay.")]
    for number in range(turns):
        said.append(message("user", f"q{number} " + "w " * words))
        said.append(message("assistant", f"a{number} " + "w " * words))
    return [*said, message("user", "last question")]


def test_the_best_passages_that_fit_are_kept_in_the_order_they_came() -> None:
    with Workbench(Library, replies=["ok"], model={"context_length": 200}) as bench:
        events, trace = answer(bench, [message("user", "Which?")])
    sources = [event.passage.title for event in events if isinstance(event, SourceEvent)]
    assert sources == ["Low", "Best", "Middle"]
    assert [passage.title for passage in trace.sources] == sources
    assert len(trace.dropped) == 1
    assert trace.dropped[0].startswith("passage 'Huge' (")
    before, question, _ = trace.prompt.partition("Which?")
    assert question
    assert before.index("[1] Low") < before.index("[2] Best") < before.index("[3] Middle")


def test_where_there_is_no_room_the_least_relevant_passages_go_first() -> None:
    with Workbench(Library, replies=["ok"], model={"context_length": 120}) as bench:
        events, trace = answer(bench, [message("user", "Which?")])
    sources = [event.passage.title for event in events if isinstance(event, SourceEvent)]
    assert "Best" in sources
    assert "Low" not in sources
    assert any("'Low'" in words for words in trace.dropped)


def test_a_conversation_that_fits_is_sent_whole(bench: Workbench) -> None:
    events, trace = answer(bench, talk(2))
    assert not any(isinstance(event, NoticeEvent) for event in events)
    assert "q0" in trace.prompt
    assert trace.dropped == []


def test_a_models_agent_description_is_used_where_the_chat_has_none(bench: Workbench) -> None:
    place = ("models", MODEL, "system_prompt")
    bench.app.settings.set(place, "Speak as a pirate.")
    try:
        _, without = answer(bench, [message("user", "Who are you?")])
        _, with_one = answer(bench, talk(1))
    finally:
        bench.app.settings.unset(place)
    assert without.prompt.startswith("<|im_start|>system\nSpeak as a pirate.")
    assert "pirate" not in with_one.prompt
    assert "Stay." in with_one.prompt


def test_the_oldest_turns_go_first_and_whole_and_the_user_is_told(bench: Workbench) -> None:
    events, trace = answer(bench, talk(20))
    assert trace.prompt.startswith("<|im_start|>system\nStay.")
    assert "last question" in trace.prompt
    kept = [number for number in range(20) if f"q{number} " in trace.prompt]
    assert kept == list(range(kept[0], 20))
    assert kept == [number for number in range(20) if f"a{number} " in trace.prompt]
    (notice,) = [event for event in events if isinstance(event, NoticeEvent)]
    gone = 2 * kept[0]
    assert f"the {gone} oldest messages were left out" in notice.text
    assert trace.dropped == [f"the {gone} oldest messages: the context is full"]
    assert trace.notices == [notice.text]
    usage = trace.usage
    assert usage is not None
    assert usage.prompt_tokens <= 150  # a quarter of the context is left for the reply
    one_more = sum(len(text.split()) + 6 for text in (f"q{gone} " + "w " * 10,)) * 2
    assert usage.prompt_tokens + one_more > 150


def test_a_long_reply_that_is_asked_for_has_room(bench: Workbench) -> None:
    short = answer(bench, talk(20), sampling=SamplingParams(max_tokens=1))[1]
    long = answer(bench, talk(20), sampling=SamplingParams(max_tokens=1000))[1]
    assert short.usage is not None
    assert long.usage is not None
    assert long.usage.prompt_tokens <= 150 < short.usage.prompt_tokens


def test_what_the_system_says_in_between_is_never_left_out(bench: Workbench) -> None:
    messages = talk(20)
    messages.insert(3, message("system", "Remember me."))
    _, trace = answer(bench, messages)
    assert "q0" not in trace.prompt
    assert "Remember me." in trace.prompt


def test_a_last_message_that_is_too_long_is_an_error_with_both_numbers(bench: Workbench) -> None:
    events, _ = answer(bench, [*talk(2)[:-1], message("user", "w " * 300)])
    (error,) = [event for event in events if isinstance(event, ErrorEvent)]
    assert (error.code, error.status) == ("context_length_exceeded", 400)
    assert error.details["limit"] == 200
    assert error.details["tokens"] > 300
    assert f"{error.details['tokens']} tokens" in error.message


def test_a_last_message_may_use_the_room_kept_for_the_reply(bench: Workbench) -> None:
    events, trace = answer(bench, [*talk(2)[:-1], message("user", "w " * 170)])
    assert not any(isinstance(event, ErrorEvent) for event in events)
    assert "q1" not in trace.prompt


def test_a_completion_that_is_too_long_is_an_error_with_both_numbers(bench: Workbench) -> None:
    events, _ = answer(bench, [], mode="completion", prompt="w " * 300)
    (error,) = [event for event in events if isinstance(event, ErrorEvent)]
    assert error.details == {"tokens": error.details["tokens"], "limit": 200, "param": "prompt"}
