import asyncio

import msgspec
import pytest

from jackfield import Plugin, hookimpl, message
from jackfield.errors import PluginError, TurnRefused, WorkerDied
from jackfield.manager import PluginManager
from jackfield.messages import DoneEvent, NoticeEvent, ReasoningEvent, TextEvent
from jackfield.pipeline import Turn
from jackfield.settings_store import SettingsStore
from jackfield.trace import Trace

WORDS = ["Hel", "lo ", "wor", "ld, ", "how ", "are ", "you?"]
TEXT = "".join(WORDS)


class Source:
    """A stream of events that knows whether it was closed."""

    def __init__(self, events, error=None):
        self.events = events
        self.error = error
        self.closed = False

    async def run(self):
        try:
            for event in self.events:
                await asyncio.sleep(0)
                yield event
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


@pytest.fixture
def manager(paths) -> PluginManager:
    return PluginManager(paths, SettingsStore(paths), entry_points=[])


def filters(function) -> type[Plugin]:
    return type("Filters", (Plugin,), {"jackfield_filter_stream": hookimpl(function)})


def words() -> list:
    return [TextEvent(word) for word in WORDS]


def run(manager: PluginManager, source: Source, *, stop_after: int = 0):
    """The events that come out, the trace, and the error that ended them."""
    trace = Trace(turn_id="t")
    turn = Turn(model="m", messages=[message("user", "hi")])

    async def read():
        got, error = [], None
        stream = manager.for_turn().filter_stream(source.run(), turn, trace)
        try:
            async for event in stream:
                got.append(event)
                if stop_after and len(got) == stop_after:
                    break
        except Exception as raised:  # noqa: BLE001 - whatever ends it is what is tested
            error = raised
        await stream.aclose()
        return got, error

    got, error = asyncio.run(read())
    return got, trace, error


def text(events) -> str:
    return "".join(event.text for event in events if isinstance(event, TextEvent))


def fails_at(number, change=lambda event: event):
    """A filter that passes events on one by one and raises as it gets one."""

    async def filter_stream(self, events):
        count = 0
        async for event in events:
            count += 1
            if count == number:
                raise ValueError("in the middle")
            yield change(event)

    return filter_stream


def buffers(size, fail_after=None):
    """A filter that holds the last characters back, and may raise after some events."""

    async def filter_stream(self, events):
        held, count = "", 0
        async for event in events:
            if not isinstance(event, TextEvent):
                yield event
                continue
            held, count = held + event.text, count + 1
            if fail_after is not None and count > fail_after:
                raise ValueError("in the middle")
            if len(held) > size:
                yield TextEvent(held[:-size])
                held = held[-size:]
        yield TextEvent(held)

    return filter_stream


def upper(event):
    return msgspec.structs.replace(event, text=event.text.upper())


async def uppercase(self, events):
    async for event in events:
        yield upper(event)


def test_filters_are_chained_in_order_and_traced(manager):
    async def ends(self, events):
        async for event in events:
            yield event
        yield TextEvent("!")

    manager.register("a", filters(uppercase))
    manager.register("b", filters(ends))
    manager.register("c", filters(lambda self: None))
    source = Source(words())
    got, trace, error = run(manager, source)
    assert (text(got), error, source.closed) == (TEXT.upper() + "!", None, True)
    lines = {one.plugin: one for one in trace.lines}
    assert (lines["a"].before, lines["a"].after) == (TEXT, TEXT.upper())
    assert lines["b"].changed and not lines["c"].changed
    assert all(one.error == "" for one in trace.lines)


@pytest.mark.parametrize("number", range(1, len(WORDS) + 1))
def test_a_filter_that_fails_loses_nothing(manager, number):
    manager.register("bad", filters(fails_at(number)))
    got, trace, error = run(manager, Source(words()))
    assert (text(got), error) == (TEXT, None)
    assert trace.lines[0].error == "ValueError: in the middle"
    assert manager.record("bad").failures == 1


@pytest.mark.parametrize("number", range(1, len(WORDS) + 1))
def test_a_filter_that_changes_the_text_and_fails_loses_nothing(manager, number):
    manager.register("bad", filters(fails_at(number, upper)))
    got, _, error = run(manager, Source(words()))
    done = "".join(WORDS[: number - 1])
    assert (text(got), error) == (done.upper() + TEXT[len(done) :], None)


@pytest.mark.parametrize("size", [1, 5, 12])
@pytest.mark.parametrize("fail_after", range(len(WORDS)))
def test_a_filter_that_holds_text_back_and_fails_loses_nothing(manager, size, fail_after):
    manager.register("bad", filters(buffers(size, fail_after)))
    got, _, error = run(manager, Source(words()))
    assert (text(got), error) == (TEXT, None)


def test_what_a_filter_left_out_before_it_failed_stays_out(manager):
    async def redacts(self, events):
        async for event in events:
            if event.text == "you?":
                raise ValueError("late")
            yield TextEvent("[x]") if event.text == "wor" else event

    manager.register("bad", filters(redacts))
    got, _, _ = run(manager, Source(words()))
    assert text(got) == "Hello [x]ld, how are you?"


def test_events_of_other_kinds_that_were_held_are_passed_on(manager):
    async def gathers(self, events):
        held = [event async for event in events]
        raise ValueError(len(held))
        yield

    events = [ReasoningEvent("hm"), *words(), NoticeEvent("note"), DoneEvent("stop", "t")]
    manager.register("bad", filters(gathers))
    got, _, _ = run(manager, Source(events))
    assert got == events


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda self, events: 1 / 0, "ZeroDivisionError"),
        (lambda self, events: [1], "list, not an asynchronous iterator"),
    ],
)
def test_a_filter_that_cannot_even_begin_is_passed_over(manager, function, why):
    manager.register("bad", filters(function))
    got, trace, error = run(manager, Source(words()))
    assert (text(got), error) == (TEXT, None)
    assert why in trace.lines[0].error


def test_a_filter_that_yields_no_events_is_passed_over(manager):
    async def yields_text(self, events):
        async for event in events:
            yield event.text

    manager.register("bad", filters(yields_text))
    got, trace, _ = run(manager, Source(words()))
    assert text(got) == TEXT
    assert "yielded str" in trace.lines[0].error


def test_a_filter_that_ends_early_ends_the_stream(manager):
    async def two(self, events):
        count = 0
        async for event in events:
            yield event
            count += 1
            if count == 2:
                return

    manager.register("short", filters(two))
    source = Source(words())
    got, trace, _ = run(manager, source)
    assert (text(got), source.closed) == ("Hello ", True)
    assert trace.lines[0].error == ""


def test_closing_the_stream_closes_every_filter_and_its_source(manager):
    closed = []

    def tidy(name):
        async def filter_stream(self, events):
            try:
                async for event in events:
                    yield event
            finally:
                closed.append(name)

        return filter_stream

    manager.register("a", filters(tidy("a")))
    manager.register("b", filters(tidy("b")))
    source = Source(words())
    got, trace, error = run(manager, source, stop_after=2)
    assert (text(got), error, source.closed) == ("Hello ", None, True)
    assert sorted(closed) == ["a", "b"]
    assert {one.plugin for one in trace.lines} == {"a", "b"}
    assert not any(one.error for one in trace.lines)


def test_a_filter_that_fails_while_it_is_closed_does_not_hurt(manager):
    async def clings(self, events):
        try:
            async for event in events:
                yield event
        finally:
            raise ValueError("not now")

    manager.register("bad", filters(clings))
    source = Source(words())
    got, _, error = run(manager, source, stop_after=1)
    assert (text(got), error, source.closed) == ("Hel", None, True)


@pytest.mark.parametrize("swallows", [False, True])
def test_a_worker_that_dies_is_not_the_filters_fault(manager, swallows):
    async def holds(self, events):
        held = []
        try:
            async for event in events:
                held.append(event)
        except WorkerDied:
            if not swallows:
                raise
        for event in held:
            yield event

    manager.register("holds", filters(holds))
    got, trace, error = run(manager, Source(words(), WorkerDied("gone")))
    assert text(got) == TEXT
    assert isinstance(error, WorkerDied)
    assert trace.lines[0].error == ""
    assert manager.record("holds").failures == 0


def test_a_filter_may_decline_what_it_sees(manager):
    async def guards(self, events):
        async for event in events:
            if "wor" in event.text:
                raise TurnRefused("Not that.")
            yield event

    manager.register("guard", filters(guards))
    source = Source(words())
    got, _, error = run(manager, source)
    assert (text(got), source.closed) == ("Hello ", True)
    assert isinstance(error, TurnRefused)
    assert manager.record("guard").failures == 0


def test_an_essential_filter_that_fails_fails_the_turn(manager):
    kind = type("Needed", (filters(fails_at(3)),), {"essential": True})
    manager.register("needed", kind)
    source = Source(words())
    got, _, error = run(manager, source)
    assert (text(got), source.closed) == ("Hello ", True)
    assert isinstance(error, PluginError)


def test_the_time_of_the_model_is_not_counted_as_the_filters(manager):
    class Slow(Source):
        async def run(self):
            for event in self.events:
                await asyncio.sleep(0.05)
                yield event

    manager.register("a", filters(uppercase))
    _, trace, _ = run(manager, Slow(words()))
    assert trace.lines[0].ms < 0.05 * 1000 * len(WORDS) / 2


def test_a_filter_that_keeps_failing_is_left_out(manager):
    manager.register("bad", filters(fails_at(2)))
    for _ in range(5):
        run(manager, Source(words()))
    assert manager.record("bad").state == "set aside"
    got, trace, _ = run_plain(manager)
    assert (text(got), trace.lines) == (TEXT, [])


def run_plain(manager):
    """A stream that no plugin filters is the stream itself."""
    source = Source(words())
    stream = source.run()
    assert manager.for_turn().filter_stream(stream, None, None) is stream
    return run(manager, source)
