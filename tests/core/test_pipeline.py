"""Turns through the real pipeline and a worker: hooks, sampling, events, errors."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from jackfield import Plugin, SamplingParams, TurnRefused, hookimpl
from jackfield.application import Application
from jackfield.loader import ModelInfo
from jackfield.messages import (
    DoneEvent,
    ErrorEvent,
    Event,
    MediaPart,
    Message,
    NoticeEvent,
    Passage,
    ReasoningEvent,
    ReplacedEvent,
    TextEvent,
    TextPart,
    UsageEvent,
    message,
)
from jackfield.paths import Paths
from jackfield.pipeline import Turn
from jackfield.pipeline.preparation import Preparation
from jackfield.settings import ModelSettings
from jackfield.testing import Workbench
from jackfield.trace import Trace
from jackfield.turn_plugins import TurnPlugins
from jackfield_loaders.gguf import Gguf
from jackfield_plugins.templates import Templates

MODEL = "fake-model"


@pytest.fixture(scope="module")
def bench() -> Iterator[Workbench]:
    """A model that repeats what it is told; tests unregister what they register."""
    with Workbench() as bench:
        yield bench


def answer(app: Application, text: str = "hi", **fields: Any) -> list[Event]:
    """The events of a turn."""
    turn = Turn(**{"model": MODEL, "messages": [message("user", text)], **fields})
    return run(app, turn)


def run(app: Application, turn: Turn) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in app.pipeline.run(turn)]

    events = app.portal.call(collect)
    assert isinstance(events[-1], DoneEvent)
    assert events[-1].turn_id == turn.id
    return events


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextEvent))


def error_of(events: list[Event]) -> ErrorEvent:
    (error,) = [event for event in events if isinstance(event, ErrorEvent)]
    assert isinstance(events[-1], DoneEvent)
    assert events[-1].finish_reason == "error"
    return error


class Everywhere(Plugin):
    """Notes each of its hooks."""

    @hookimpl
    def jackfield_before_turn(self, turn: Turn) -> None:
        turn.notes["hooks"] = ["before_turn"]

    @hookimpl
    def jackfield_transform_input(self, text: str, turn: Turn) -> str:
        turn.notes["hooks"].append("transform_input")
        return f"{text} (asked)"

    @hookimpl
    async def jackfield_add_context(self, turn: Turn) -> list[Passage]:
        turn.notes["hooks"].append("add_context")
        return [Passage("Grass is green.", title="Book")]

    @hookimpl
    def jackfield_modify_sampling(self, params: SamplingParams, turn: Turn) -> SamplingParams:
        turn.notes["hooks"].append("modify_sampling")
        return params.model_copy(update={"seed": 7})

    @hookimpl
    def jackfield_transform_prompt(self, prompt: str, turn: Turn) -> str:
        turn.notes["hooks"].append("transform_prompt")
        return "<!>" + prompt

    @hookimpl
    async def jackfield_filter_stream(
        self, events: AsyncIterator[Event], turn: Turn
    ) -> AsyncIterator[Event]:
        turn.notes["hooks"].append("filter_stream")
        async for event in events:
            yield TextEvent(event.text.upper()) if isinstance(event, TextEvent) else event

    @hookimpl
    def jackfield_transform_reply(self, reply: str, turn: Turn) -> str:
        turn.notes["hooks"].append("transform_reply")
        return reply + "!"

    @hookimpl
    def jackfield_after_turn(self, turn: Turn, trace: Trace) -> None:
        turn.notes["hooks"].append(f"after_turn {trace.finish_reason}")


class Failing(Plugin):
    """Raises in every hook of a turn."""

    @hookimpl
    def jackfield_before_turn(self, turn: Turn) -> None:
        turn.messages.clear()
        raise RuntimeError("no")

    @hookimpl
    def jackfield_transform_input(self, text: str) -> str:
        raise RuntimeError("no")

    @hookimpl
    def jackfield_add_context(self) -> list[Passage]:
        raise RuntimeError("no")

    @hookimpl
    def jackfield_modify_sampling(self) -> SamplingParams:
        raise RuntimeError("no")

    @hookimpl
    def jackfield_transform_prompt(self) -> str:
        raise RuntimeError("no")

    @hookimpl
    async def jackfield_filter_stream(self, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        yield await anext(events)
        raise RuntimeError("no")

    @hookimpl
    def jackfield_transform_reply(self) -> str:
        raise RuntimeError("no")

    @hookimpl
    def jackfield_after_turn(self) -> None:
        raise RuntimeError("no")


def test_events_come_in_order_and_the_last_is_done(bench: Workbench) -> None:
    events = answer(bench.app, "one two three")
    *texts, usage, done = events
    assert text_of(events) == "one two three"
    assert len(texts) >= 3
    assert all(isinstance(event, TextEvent) for event in texts)
    assert isinstance(usage, UsageEvent)
    assert usage.completion_tokens >= 3
    assert usage.prompt_tokens > usage.completion_tokens
    assert 0 < usage.first_token_s <= usage.seconds
    assert usage.context_length == 4096
    assert done == DoneEvent("stop", done.turn_id)


def test_every_hook_takes_part_in_the_order_of_the_design() -> None:
    with Workbench(Everywhere, replies=["prompt"]) as bench:
        turn = Turn(model=MODEL, messages=[message("user", "Why?")])
        events = run(bench.app, turn)
        assert turn.notes["hooks"] == [
            "before_turn",
            "modify_sampling",
            "transform_input",
            "add_context",
            "transform_prompt",
            "filter_stream",
            "transform_reply",
            "after_turn stop",
        ]
        trace = bench.app.traces.get(turn.id)
        assert trace.prompt.startswith("<!><|im_start|>user")
        assert "[1] Book\nGrass is green.\n\nWhy? (asked)<|im_end|>" in trace.prompt
        assert text_of(events) == trace.prompt.upper()
        assert [event.text for event in events if isinstance(event, ReplacedEvent)] == [
            trace.prompt.upper() + "!"
        ]
        assert trace.sampling["seed"] == 7
        assert [passage.title for passage in trace.sources] == ["Book"]
        assert trace.loader == "fake"
        assert trace.template == "model"
        assert trace.plugins == ["under-test"]
        assert trace.usage is not None
        assert {line.hook for line in trace.lines if line.changed} >= {
            "transform_input",
            "filter_stream",
            "transform_reply",
        }
        assert answer(bench.app, off=("under-test",))[0] == TextEvent("<|im_s")


def test_a_plugin_that_raises_everywhere_changes_nothing(bench: Workbench) -> None:
    bench.app.plugins.register("failing", Failing)
    try:
        turn = Turn(model=MODEL, messages=[message("user", "all is well")])
        assert text_of(run(bench.app, turn)) == "all is well"
    finally:
        bench.app.plugins.unregister("failing")
    errors = {line.hook for line in bench.app.traces.get(turn.id).lines if line.error}
    assert len(errors) == 8


def test_an_unknown_plugin_model_or_template_is_an_error_event(bench: Workbench) -> None:
    assert error_of(answer(bench.app, on=("nope",))).code == "plugin_not_found"
    unknown = error_of(answer(bench.app, model="fake-modle"))
    assert (unknown.status, unknown.details["nearest"]) == (404, MODEL)
    assert error_of(answer(bench.app, template="nope")).status == 400
    assert error_of(answer(bench.app, messages=[])).details["param"] == "messages"


def test_a_refused_turn_says_so_and_reaches_no_model(bench: Workbench) -> None:
    class Refusing(Plugin):
        """Declines."""

        @hookimpl
        def jackfield_before_turn(self) -> None:
            raise TurnRefused("Not today.", hint="Try tomorrow.")

    bench.app.plugins.register("refusing", Refusing)
    try:
        error = error_of(events := answer(bench.app))
    finally:
        bench.app.plugins.unregister("refusing")
    assert (error.message, error.hint, error.status) == ("Not today.", "Try tomorrow.", 400)
    assert text_of(events) == ""


def test_the_turns_parameters_lie_over_the_models_saved_ones(bench: Workbench) -> None:
    saved = {"temperature": 0.3, "top_k": 5, "min_p": 0.4}
    bench.app.settings.set(("models", MODEL, "sampling"), saved)
    try:
        turn = Turn(
            model=MODEL,
            messages=[message("user", "x")],
            sampling=SamplingParams(top_k=9, min_p=0.0),
        )
        run(bench.app, turn)
        trace = bench.app.traces.get(turn.id)
        assert trace.sampling == {"temperature": 0.3, "top_k": 9}
        assert trace.dropped == []
        lacking = Turn(model=MODEL, messages=[message("user", "x")])
        run(bench.app, lacking)
        assert "min_p" not in bench.app.traces.get(lacking.id).sampling
        assert "min_p" in bench.app.traces.get(lacking.id).dropped[0]
    finally:
        bench.app.settings.unset(("models", MODEL))


def test_a_parameter_that_the_loader_lacks_is_refused_unless_it_is_neutral(
    bench: Workbench,
) -> None:
    error = error_of(answer(bench.app, sampling=SamplingParams(min_p=0.2)))
    assert error.status == 400
    assert error.details == {"param": "min_p", "loader": "fake"}
    assert "'min_p'" in error.message
    assert text_of(answer(bench.app, sampling=SamplingParams(min_p=0.0, mirostat=0))) == "hi"
    for off in (-1, 0):  # as llama.cpp has it
        assert text_of(answer(bench.app, sampling=SamplingParams(top_n_sigma=off))) == "hi"


def test_the_dashboard_is_told_of_a_parameter_that_was_left_out(bench: Workbench) -> None:
    sampling = SamplingParams(min_p=0.2, temperature=0)
    events = answer(bench.app, sampling=sampling, origin="dashboard")
    assert isinstance(events[0], NoticeEvent)
    assert "min_p" in events[0].text
    assert text_of(events) == "hi"


def test_what_a_plugin_sets_and_the_loader_lacks_is_left_out(bench: Workbench) -> None:
    class Inventive(Plugin):
        """Sets what it likes."""

        @hookimpl
        def jackfield_modify_sampling(self, params: SamplingParams) -> SamplingParams:
            return params.model_copy(update={"mirostat": 2, "max_tokens": 2})

    bench.app.plugins.register("inventive", Inventive)
    try:
        turn = Turn(model=MODEL, messages=[message("user", "a b c d e")])
        events = run(bench.app, turn)
    finally:
        bench.app.plugins.unregister("inventive")
    trace = bench.app.traces.get(turn.id)
    assert trace.sampling == {"max_tokens": 2}
    assert trace.dropped == ["parameter mirostat (set by a plugin): the loader does not have it"]
    assert text_of(events) == "a b"
    assert events[-1] == DoneEvent("length", turn.id)


def test_the_stop_texts_of_a_named_template_end_the_reply() -> None:
    with Workbench(Templates, replies=["fine\nUser: and so on"]) as bench:
        assert text_of(answer(bench.app, template="plain")) == "fine"
        own = Turn(
            model=MODEL,
            messages=[message("user", "x")],
            template="plain",
            sampling=SamplingParams(stop=["ne"]),
        )
        assert text_of(run(bench.app, own)) == "fi"
        assert bench.app.traces.get(own.id).sampling["stop"] == ["ne", "\nUser:"]


def test_a_leading_block_of_thoughts_becomes_reasoning() -> None:
    reply = "<think>\nhm, hm\n</think>\n\nIt is <think>ok</think>."
    with Workbench(replies=[reply]) as bench:
        events = answer(bench.app)
        thought = "".join(event.text for event in events if isinstance(event, ReasoningEvent))
        assert thought == "hm, hm\n"
        assert text_of(events) == "It is <think>ok</think>."
        completed = answer(bench.app, mode="completion", prompt="x", messages=[])
        assert text_of(completed) == reply


def test_a_completion_takes_its_prompt_as_it_is() -> None:
    with Workbench(Everywhere, replies=["prompt"]) as bench:
        turn = Turn(model=MODEL, mode="completion", prompt="Once upon")
        events = run(bench.app, turn)
        assert text_of(events) == "<!>ONCE UPON"
        assert "transform_input" not in turn.notes["hooks"]
        assert "add_context" not in turn.notes["hooks"]
        assert [event.text for event in events if isinstance(event, ReplacedEvent)] == [
            "<!>ONCE UPON!"
        ]
        assert bench.app.traces.get(turn.id).template == ""


def test_log_probabilities_come_with_the_text_when_asked_for(bench: Workbench) -> None:
    events = answer(bench.app, "ab cd", sampling=SamplingParams(logprobs=2))
    first = events[0]
    assert isinstance(first, TextEvent)
    assert len(first.logprobs) == 1
    assert first.logprobs[0].logprob < 0
    assert len(first.logprobs[0].top) == 2


def test_an_image_for_a_model_that_cannot_see_is_refused(bench: Workbench) -> None:
    parts = (TextPart("what is it?"), MediaPart("image/png", b"png"))
    error = error_of(answer(bench.app, messages=[Message("user", parts)]))
    assert "takes no image" in error.message


def test_a_model_that_only_embeds_cannot_be_asked_to_write() -> None:
    info = ModelInfo(context_length=10, capabilities=frozenset({"embedding"}))
    turn = Turn(model="e", messages=[message("user", "x")])
    nobody: Any = None
    preparation = Preparation(turn, nobody, info, TurnPlugins({}), nobody, nobody, Trace(turn.id))
    with pytest.raises(Exception, match="cannot write text; it can do: embedding"):
        anyio.run(preparation.prepare, ModelSettings())


def test_a_real_model_answers_and_several_turns_run_at_once(paths: Paths, smollm2: Path) -> None:
    shutil.copyfile(smollm2, paths.models / "smollm2.gguf")
    app = Application(paths, entry_points=[])
    app.plugins.register("gguf", Gguf)
    app.plugins.register("templates", Templates)
    greedy = SamplingParams(temperature=0, max_tokens=16)
    ask = [message("user", "What is the capital of France?")]
    with app.in_thread():
        found: list[str] = []

        async def one() -> None:
            turn = Turn(model="smollm2", messages=ask, sampling=greedy, template="chatml")
            events = [event async for event in app.pipeline.run(turn)]
            found.append(text_of(events))

        async def three() -> None:
            await app.engine.load("smollm2", options={"n_ctx": 512, "n_threads": 1, "parallel": 3})
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(one)

        app.portal.call(three)
        assert ["Paris" in text for text in found] == [True] * 3
        empty = run(app, Turn(model="smollm2", mode="completion", sampling=greedy))
        assert isinstance(empty[-1], DoneEvent)
