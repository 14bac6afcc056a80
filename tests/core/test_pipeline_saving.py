"""Replies in chats: saved as they stream, however they end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from jackfield import Plugin, hookimpl
from jackfield.conversations import Conversations, Node
from jackfield.errors import ConversationNotFound, TurnRefused
from jackfield.messages import (
    DoneEvent,
    ErrorEvent,
    Event,
    Message,
    NoticeEvent,
    ReplacedEvent,
    TextEvent,
    TextPart,
    message,
)
from jackfield.pipeline import Pipeline, Turn
from jackfield.testing import Workbench
from jackfield.testing.fake import fake_model

MODEL = "fake-model"
WORDS = " ".join(f"w{number}" for number in range(200))


@pytest.fixture(scope="module")
def bench() -> Iterator[Workbench]:
    """``fake-model`` repeats what it is told, ``slow`` takes 20 ms a word, ``dies`` three words."""
    with Workbench() as bench:
        models = bench.app.paths.models
        fake_model(models, "slow", replies=[WORDS], delay=0.02)
        fake_model(models, "dies", replies=[WORDS], crash_after_tokens=3)
        fake_model(models, "fails", replies=[WORDS], raise_after_tokens=3)
        yield bench


def asked(bench: Workbench, text: str = "hi there", model: str = MODEL, **fields: Any) -> Turn:
    """A turn of a new chat."""
    chats = bench.app.conversations
    chat = chats.create(model=model)
    node = chats.add(chat.id, None, message("user", text))
    return Turn(
        model=model,
        messages=[message("user", text)],
        conversation=chat.id,
        parent=node.id,
        **fields,
    )


def run(bench: Workbench, turn: Turn, pipeline: Pipeline | None = None) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in (pipeline or bench.app.pipeline).run(turn)]

    return bench.app.portal.call(collect)


def saved(bench: Workbench, turn: Turn) -> Node:
    return bench.app.conversations.node(turn.reply)


def test_a_reply_is_saved_with_its_trace_and_usage(bench: Workbench) -> None:
    turn = asked(bench)
    done = run(bench, turn)[-1]
    assert isinstance(done, DoneEvent)
    assert done.message_id == turn.reply
    node = saved(bench, turn)
    assert (node.message.text, node.state, node.model) == ("hi there", "complete", MODEL)
    assert node.parent == turn.parent
    assert node.trace is not None
    assert node.usage is not None
    assert node.trace.usage == node.usage
    assert bench.app.conversations.get(turn.conversation or "").head == turn.reply


def test_a_reply_is_in_the_database_while_it_streams(bench: Workbench) -> None:
    turn = asked(bench, model="slow")
    seen: list[tuple[str, str]] = []

    async def look() -> None:
        async with aclosing(bench.app.pipeline.run(turn)) as events:
            text, began = "", 0.0
            async for event in events:
                began = began or time.monotonic()
                text += event.text if isinstance(event, TextEvent) else ""
                if time.monotonic() - began > 1.5:
                    seen.append((saved(bench, turn).message.text, text))
                    break

    bench.app.portal.call(look)
    ((kept, told),) = seen
    assert told.startswith(kept)
    assert len(kept.split()) > 5


def test_closing_the_stream_stops_the_model_and_keeps_the_text(bench: Workbench) -> None:
    turn = asked(bench, model="slow")

    async def stop() -> None:
        async with aclosing(bench.app.pipeline.run(turn)) as events:
            async for event in events:
                if isinstance(event, TextEvent) and "w5" in event.text:
                    break

    bench.app.portal.call(stop)
    node = saved(bench, turn)
    assert node.state == "cancelled"
    assert node.message.text.endswith("w5")
    assert node.usage is not None
    assert 5 < node.usage.completion_tokens < 30
    assert node.usage.prompt_tokens > 3
    assert node.trace is not None
    assert node.trace.finish_reason == "cancelled"
    resident = bench.app.engine.resident("slow")
    assert resident is not None
    within(5, lambda: resident.active == 0)


def test_a_turn_cancelled_before_its_first_word_is_noted(bench: Workbench) -> None:
    turn = asked(bench, model="slow")

    async def stop() -> None:
        task = asyncio.create_task(anext(bench.app.pipeline.run(turn)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    bench.app.portal.call(stop)
    assert saved(bench, turn).state == "cancelled"


def test_a_second_cancellation_does_not_lose_the_text(bench: Workbench) -> None:
    class Slow(Conversations):
        def write(self, node_id: str, **values: Any) -> None:
            time.sleep(0.3)
            super().write(node_id, **values)

    pipeline = with_conversations(bench, Slow)
    turn = asked(bench, model="slow")

    async def read() -> None:
        async for _ in pipeline.run(turn):
            pass

    async def stop() -> None:
        task = asyncio.create_task(read())
        await asyncio.sleep(0.4)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.05)
        await asyncio.gather(task, return_exceptions=True)

    bench.app.portal.call(stop)
    node = saved(bench, turn)
    assert node.state == "cancelled"
    assert node.message.text.startswith("w0 w1")


@pytest.mark.parametrize(("model", "status"), [("dies", 503), ("fails", 500)])
def test_a_model_that_fails_leaves_its_text_and_the_next_turn_works(
    bench: Workbench, model: str, status: int
) -> None:
    turn = asked(bench, model=model)
    events = run(bench, turn)
    assert isinstance(events[-2], ErrorEvent)
    assert events[-2].status == status
    assert events[-1] == DoneEvent("error", turn.id, turn.reply)
    node = saved(bench, turn)
    assert node.state == "failed"
    assert node.message.text == "w0 w1 w2"
    assert node.error.startswith(events[-2].message)
    assert node.usage is not None
    assert node.usage.completion_tokens == 3
    fine = asked(bench)
    run(bench, fine)
    assert saved(bench, fine).state == "complete"


def test_a_refused_turn_is_saved_as_failed(bench: Workbench) -> None:
    class Refusing(Plugin):
        """Declines."""

        @hookimpl
        def jackfield_before_turn(self) -> None:
            raise TurnRefused("Not today.")

    bench.app.plugins.register("refusing", Refusing)
    try:
        turn = asked(bench)
        run(bench, turn)
    finally:
        bench.app.plugins.unregister("refusing")
    node = saved(bench, turn)
    assert (node.state, node.error, node.message.text) == ("failed", "Not today.", "")
    assert node.trace is not None
    assert node.trace.lines[0].error == "refused: Not today."


def test_a_reply_that_is_continued_becomes_a_version_with_the_old_text(bench: Workbench) -> None:
    bench.app.conversations.list()
    fake_model(bench.app.paths.models, "story", replies=["Once upon a time."])
    turn = asked(bench, model="story")
    begun = Message("assistant", (TextPart("Once upon"),), reasoning="a tale")
    old = bench.app.conversations.add(turn.conversation or "", turn.parent, begun)
    turn.messages.append(begun)
    turn.continues = old.id
    events = run(bench, turn)
    assert "".join(event.text for event in events if isinstance(event, TextEvent)) == " a time."
    node = saved(bench, turn)
    assert node.message.text == "Once upon a time."
    assert node.message.reasoning == "a tale"
    versions = bench.app.conversations.siblings(node.id)
    assert [one.message.text for one in versions] == ["Once upon", "Once upon a time."]
    assert node.trace is not None
    assert node.trace.prompt.endswith("assistant\nOnce upon")


def test_only_a_reply_can_be_continued(bench: Workbench) -> None:
    turn = asked(bench, continues="some-id")
    error = run(bench, turn)[-2]
    assert isinstance(error, ErrorEvent)
    assert error.message == "Only a reply can be continued."


def test_what_plugins_make_of_the_whole_reply_is_what_is_saved(bench: Workbench) -> None:
    class Shouting(Plugin):
        """Capitals."""

        @hookimpl
        def jackfield_transform_reply(self, reply: str) -> str:
            return reply.upper()

        @hookimpl
        def jackfield_after_turn(self) -> None:
            raise RuntimeError("too loud")

    bench.app.plugins.register("shouting", Shouting)
    try:
        turn = asked(bench)
        begun = message("assistant", "hi")
        turn.messages.append(begun)
        turn.continues = "some-id"
        assert bench.app.pipeline.holds_reply(turn)
        events = run(bench, turn)
    finally:
        bench.app.plugins.unregister("shouting")
    assert not bench.app.pipeline.holds_reply(turn)
    assert [event.text for event in events if isinstance(event, ReplacedEvent)] == ["HI THERE"]
    node = saved(bench, turn)
    assert node.message.text == "HI THERE"
    assert node.trace is not None
    assert "too loud" in node.trace.lines[-1].error


def test_a_chat_that_does_not_exist_is_an_error_event(bench: Workbench) -> None:
    turn = Turn(model=MODEL, messages=[message("user", "x")], conversation="gone")
    events = run(bench, turn)
    assert isinstance(events[-2], ErrorEvent)
    assert events[-2].code == ConversationNotFound.code


def test_a_chat_deleted_while_it_is_answered_does_no_harm(bench: Workbench) -> None:
    turn = asked(bench, model="slow")

    async def purge() -> list[Event]:
        seen = []
        async for event in bench.app.pipeline.run(turn):
            seen.append(event)
            if len(seen) == 20:
                bench.app.conversations.purge(turn.conversation or "")
        return seen

    events = bench.app.portal.call(purge)
    assert isinstance(events[-1], DoneEvent)
    assert events[-1].finish_reason == "stop"


def test_the_user_is_told_when_a_reply_cannot_be_saved(bench: Workbench) -> None:
    class Full(Conversations):
        def write(self, node_id: str, **values: Any) -> None:
            raise OSError("No space left on device")

    turn = asked(bench)
    events = run(bench, turn, with_conversations(bench, Full))
    notice, done = events[-2:]
    assert isinstance(notice, NoticeEvent)
    assert "No space left on device" in notice.text
    assert done == DoneEvent("stop", turn.id, turn.reply)


def test_a_filter_that_ends_early_ends_the_model_too(bench: Workbench) -> None:
    class Short(Plugin):
        """Lets three pieces through."""

        @hookimpl
        async def jackfield_filter_stream(
            self, events: AsyncIterator[Event]
        ) -> AsyncIterator[Event]:
            for _ in range(3):
                yield await anext(events)

    bench.app.plugins.register("short", Short)
    try:
        turn = asked(bench, model="slow")
        began = time.monotonic()
        run(bench, turn)
    finally:
        bench.app.plugins.unregister("short")
    assert time.monotonic() - began < 3
    assert saved(bench, turn).message.text == "w0 w1 w2"
    resident = bench.app.engine.resident("slow")
    assert resident is not None
    within(5, lambda: resident.active == 0)


def with_conversations(bench: Workbench, kind: type[Conversations]) -> Pipeline:
    app = bench.app
    chats = kind(f"sqlite:///{app.paths.database}")
    return Pipeline(app.plugins, app.engine, app.templates, lambda: chats, app.traces, app.settings)


def within(seconds: float, ready: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.01)
