"""A reply that is read aloud while it is written."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import anyio.from_thread
import pytest

from jackfield.jobs import Job
from jackfield.messages import (
    AudioEvent,
    DoneEvent,
    Event,
    NoticeEvent,
    TextEvent,
    message,
)
from jackfield.pipeline import Turn
from jackfield.testing import PluginConformance, Workbench
from jackfield.testing.workbench import MODEL
from jackfield_plugins.speech.plugin import Speech
from speech_engines import Humming, Voices

REPLY = "This is the first sentence. Here comes another one. And this is the last of them."


class TestSpeech(PluginConformance):
    plugin = Speech


@pytest.fixture
def bench() -> Iterator[Workbench]:
    with Workbench(replies=[REPLY], model={"delay": 0.03}) as made:
        made.app.plugins.register("speech", Speech)
        made.app.plugins.register("voices", Voices)
        for name in ("speech", "voices"):
            made.app.plugins.enable(name)
        made.app.plugins.speech_synthesizers()
        yield made


def turn(**options: Any) -> Turn:
    return Turn(
        model=MODEL, messages=[message("user", "Speak!")], options={"speech": options}, origin="api"
    )


def run(bench: Workbench, one: Turn) -> list[Event]:
    return bench.app.portal.call(bench._collect, one)


def sounds(events: list[Event]) -> list[AudioEvent]:
    return [event for event in events if isinstance(event, AudioEvent)]


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextEvent))


def test_the_first_sound_comes_while_the_reply_is_still_being_written(bench: Workbench) -> None:
    events = run(bench, turn(read_aloud=True))
    first = next(n for n, event in enumerate(events) if isinstance(event, AudioEvent))
    assert text(events[first:]), "the sound came after all of the text"
    assert text(events) == REPLY
    assert [one.text for one in sounds(events)] == [
        "This is the first sentence.",
        "Here comes another one.",
        "And this is the last of them.",
    ]
    assert all(one.media_type == "audio/wav" and one.data[:4] == b"RIFF" for one in sounds(events))
    assert isinstance(events[-1], DoneEvent)


def test_slow_speech_holds_no_text_back(bench: Workbench) -> None:
    Voices.engine.delay = 1.0
    events = run(bench, turn(read_aloud=True))
    first = next(n for n, event in enumerate(events) if isinstance(event, AudioEvent))
    assert text(events[:first]) == REPLY
    assert len(sounds(events)) == 3


def test_nothing_is_read_unless_it_was_asked_for(bench: Workbench) -> None:
    assert not sounds(run(bench, turn()))
    bench.app.plugins.configure("speech", {"read_aloud": True})
    assert not sounds(run(bench, turn())), "a program has no ears unless it says so"
    dashboard = turn()
    dashboard.origin = "dashboard"
    assert sounds(run(bench, dashboard))
    silent = turn(read_aloud=False)
    silent.origin = "dashboard"
    assert not sounds(run(bench, silent))


def test_the_voice_is_kept_with_the_reply_also_where_nothing_is_read(bench: Workbench) -> None:
    one = turn(voice="humming/high")
    assert not sounds(run(bench, one))
    assert one.extras["speech"] == {"voice": "humming/high"}


def test_the_voice_is_the_chats_or_the_usual_one(bench: Workbench) -> None:
    run(bench, turn(read_aloud=True, voice="humming/high", speed=2))
    assert {said[1:] for said in Voices.engine.said} == {("high", 2.0)}
    bench.app.plugins.configure("speech", {"language": "fr", "speed": 0.5})
    Voices.engine.said.clear()
    run(bench, turn(read_aloud=True))
    assert {said[1:] for said in Voices.engine.said} == {("high", 0.5)}


def test_the_trace_tells_what_was_spoken(bench: Workbench) -> None:
    one = turn(read_aloud=True)
    run(bench, one)
    rows = one.accounts["speech"]
    assert [row["voice"] for row in rows] == ["humming/low"] * 3
    assert rows[0]["seconds of speech"] == 0.5


def test_one_sentence_that_fails_is_said_so_and_the_others_are_read(bench: Workbench) -> None:
    Voices.engine.failures = 1
    events = run(bench, turn(read_aloud=True))
    assert len(sounds(events)) == 2
    (notice,) = [event for event in events if isinstance(event, NoticeEvent)]
    assert "The voice broke. Drink something." in notice.text
    assert text(events) == REPLY


def test_an_engine_that_fails_again_and_again_is_left_alone(bench: Workbench) -> None:
    Voices.engine.failures = 100
    events = run(bench, turn(read_aloud=True))
    assert Voices.engine.failures == 98
    assert len([event for event in events if isinstance(event, NoticeEvent)]) == 2
    assert text(events) == REPLY


@pytest.mark.parametrize(
    ("options", "lacks", "words"),
    [
        ({"voice": "humming/none"}, "", "There is no voice 'humming/none'."),
        ({}, "apt install humming", "apt install humming"),
        ({"voice": "humming/low"}, "apt install humming", "apt install humming"),
    ],
)
def test_a_voice_that_is_missing_is_said_once_and_the_reply_comes(
    bench: Workbench, options: dict[str, str], lacks: str, words: str
) -> None:
    Voices.engine.lacks = lacks
    events = run(bench, turn(read_aloud=True, **options))
    (notice,) = [event for event in events if isinstance(event, NoticeEvent)]
    assert words in notice.text
    assert text(events) == REPLY


def test_stopping_the_reply_stops_the_speech(bench: Workbench) -> None:
    Voices.engine.delay = 0.2
    job: Job = bench.app.jobs.start(turn(read_aloud=True))
    assert Voices.engine.speaking.wait(30)
    started = time.monotonic()
    job.cancel()
    list(job.follow())
    assert time.monotonic() - started < 5
    assert isinstance(job.events[-1], DoneEvent)
    assert job.events[-1].finish_reason == "cancelled"
    said = len(Voices.engine.said)
    ended = threading.Event()
    ended.wait(0.5)
    assert len(Voices.engine.said) <= said + 1 < 3


def test_stopping_the_reply_is_noticed_by_an_engine_in_mid_sentence(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = threading.Event()

    def speak(*_: Any, **__: Any) -> Any:
        Voices.engine.speaking.set()
        try:
            for _ in range(100):
                time.sleep(0.05)
                anyio.from_thread.check_cancelled()  # as ChildProcess does
        except BaseException:
            stopped.set()
            raise

    monkeypatch.setattr(Voices.engine, "speak", speak)
    job: Job = bench.app.jobs.start(turn(read_aloud=True))
    assert Voices.engine.speaking.wait(30)
    job.cancel()
    assert stopped.wait(2)
    list(job.follow())


def test_a_model_that_fails_ends_the_turn_as_ever(bench: Workbench) -> None:
    with Workbench(replies=[REPLY], model={"raise_after_tokens": 3}) as broken:
        for name, plugin in (("speech", Speech), ("voices", Voices)):
            broken.app.plugins.register(name, plugin)
            broken.app.plugins.enable(name)
        events = run(broken, turn(read_aloud=True))
        assert any(type(event).__name__ == "ErrorEvent" for event in events)
        assert isinstance(events[-1], DoneEvent)


def test_code_is_not_read(bench: Workbench) -> None:
    assert isinstance(Voices.engine, Humming)
    code = "Look at this.\n```python\nprint('no. Never.')\n```\nThat was it."
    with Workbench(replies=[code]) as other:
        for name, plugin in (("speech", Speech), ("voices", Voices)):
            other.app.plugins.register(name, plugin)
            other.app.plugins.enable(name)
        events = run(other, turn(read_aloud=True))
    assert [one.text for one in sounds(events)] == ["Look at this.", "That was it."]
    assert text(events) == code
