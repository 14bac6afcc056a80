"""Replies that go on whoever is looking."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from jackfield.application import Application
from jackfield.errors import InvalidRequest
from jackfield.jobs import Job, joined
from jackfield.messages import (
    DoneEvent,
    Event,
    NoticeEvent,
    TextEvent,
    TokenLogprob,
    UsageEvent,
    message,
)
from jackfield.paths import Paths
from jackfield.pipeline import Turn
from jackfield.testing import Workbench
from jackfield.testing.fake import fake_model

MODEL = "fake-model"
WORDS = " ".join(f"w{number}" for number in range(60))
PATIENCE = 30.0


@pytest.fixture(scope="module")
def bench() -> Iterator[Workbench]:
    with Workbench(model={"parallel": 8}) as bench:
        fake_model(bench.app.paths.models, "slow", replies=[WORDS], delay=0.02, parallel=8)
        yield bench


def asked(app: Application, model: str = "slow") -> Turn:
    """A turn of a new chat."""
    chat = app.conversations.create(model=model)
    node = app.conversations.add(chat.id, None, message("user", "hi"))
    return Turn(model=model, messages=[message("user", "hi")], conversation=chat.id, parent=node.id)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextEvent))


def wait(job: Job) -> list[Event]:
    """All events of a job, once it has ended."""
    events = list(job.follow(timeout=PATIENCE))
    assert job.done
    return events


def within(seconds: float, ready: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_several_threads_follow_one_reply_and_each_has_all_of_it(bench: Workbench) -> None:
    job = bench.app.jobs.start(asked(bench.app))
    found: list[list[Event]] = []
    threads = [threading.Thread(target=lambda: found.append(wait(job))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [text_of(events) for events in found] == [WORDS] * 4
    assert all(isinstance(events[-1], DoneEvent) for events in found)
    assert all(len(events) < len(job.events) / 2 for events in found), "texts were not joined"
    assert any(isinstance(event, UsageEvent) for event in job.events)


def test_a_follower_that_comes_back_goes_on_where_it_was(bench: Workbench) -> None:
    job = bench.app.jobs.start(asked(bench.app))
    within(PATIENCE, lambda: len(job.events) > 10)
    before = job.events
    assert not job.done
    assert text_of(before + list(job.follow(len(before), PATIENCE))) == WORDS
    assert list(job.follow(len(job.events))) == []
    assert text_of(list(job.follow())) == WORDS


def test_a_follower_leaves_when_its_time_is_over_and_the_reply_goes_on(bench: Workbench) -> None:
    job = bench.app.jobs.start(asked(bench.app))
    within(PATIENCE, lambda: bool(job.text))
    began = time.monotonic()
    list(job.follow(timeout=0.2))
    assert time.monotonic() - began < 5
    assert text_of(wait(job)) == WORDS
    assert job.tokens_per_second > 0


def test_a_reply_can_be_stopped_from_any_thread_and_is_kept(bench: Workbench) -> None:
    turn = asked(bench.app)
    job = bench.app.jobs.start(turn)
    within(PATIENCE, lambda: "w5" in job.text)
    for _ in range(3):
        thread = threading.Thread(target=job.cancel)
        thread.start()
        thread.join(PATIENCE)
    events = wait(job)
    assert events[-1] == DoneEvent("cancelled", turn.id, turn.reply)
    node = bench.app.conversations.node(turn.reply)
    assert (node.state, node.message.text) == ("cancelled", text_of(events))
    assert WORDS.startswith(node.message.text)
    assert len(node.message.text) < len(WORDS)
    job.cancel()


def test_a_reply_stopped_before_it_begins_ends_as_stopped(bench: Workbench) -> None:
    for _ in range(10):
        turn = asked(bench.app)
        job = bench.app.jobs.start(turn)
        job.cancel()
        assert wait(job)[-1] == DoneEvent("cancelled", turn.id, turn.reply)
        assert bench.app.conversations.node(turn.reply).state == "cancelled"


def test_a_chat_has_one_reply_at_a_time(bench: Workbench) -> None:
    turn = asked(bench.app)
    job = bench.app.jobs.start(turn)
    with pytest.raises(InvalidRequest, match="still being written") as caught:
        bench.app.jobs.start(turn)
    assert caught.value.details["conversation"] == turn.conversation
    other = bench.app.jobs.start(asked(bench.app))
    assert set(bench.app.jobs.running()) >= {job, other}
    job.cancel()
    for event in job.follow(timeout=PATIENCE):
        if isinstance(event, DoneEvent):  # at once: who saw the end may go on
            again = bench.app.jobs.start(turn)
    assert bench.app.jobs.get(turn.conversation or "") is again
    assert text_of(wait(again)) == WORDS
    wait(other)
    assert bench.app.jobs.running() == []


def test_eight_replies_are_written_at_once(bench: Workbench) -> None:
    alone = bench.app.jobs.start(asked(bench.app))
    wait(alone)
    jobs = [bench.app.jobs.start(asked(bench.app)) for _ in range(8)]
    assert [text_of(wait(job)) for job in jobs] == [WORDS] * 8
    seconds = max(job.ended for job in jobs) - min(job.started for job in jobs)
    assert seconds < 4 * (alone.ended - alone.started)


def test_a_turn_that_fails_ends_its_job(bench: Workbench) -> None:
    job = bench.app.jobs.start(Turn(model="nope", messages=[message("user", "x")]))
    assert isinstance(wait(job)[-1], DoneEvent)
    assert job.tokens_per_second == 0


def test_ended_jobs_are_forgotten_after_a_while(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = asked(bench.app, MODEL)
    wait(bench.app.jobs.start(turn))
    assert bench.app.jobs.get(turn.conversation or "") is not None
    monkeypatch.setattr("jackfield.jobs.KEPT", 0.0)
    last = bench.app.jobs.start(asked(bench.app, MODEL))
    wait(last)
    within(PATIENCE, lambda: bench.app.jobs.get(turn.conversation or "") is None)


def test_stopping_all_lets_the_application_end_with_texts_kept() -> None:
    with Workbench(replies=[WORDS], model={"delay": 0.02}) as bench:
        turn = asked(bench.app, MODEL)
        job = bench.app.jobs.start(turn)
        within(PATIENCE, lambda: "w3" in job.text)
        bench.app.jobs.stop()
        wait(job)
        assert bench.app.conversations.node(turn.reply).state == "cancelled"


def test_an_application_that_does_not_run_says_so_and_the_chat_is_free(paths: Paths) -> None:
    app = Application(paths, entry_points=[])
    turn = asked(app)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="not running"):
            app.jobs.start(turn)
    assert app.jobs.running() == []


def test_neighbouring_texts_are_joined_with_their_probabilities() -> None:
    one, two = TokenLogprob("a", 1, -0.1), TokenLogprob("b", 2, -0.2)
    notice = NoticeEvent("now")
    events = [TextEvent("a", (one,)), TextEvent("b", (two,)), notice, TextEvent("c")]
    assert list(joined(events)) == [TextEvent("ab", (one, two)), notice, TextEvent("c")]
