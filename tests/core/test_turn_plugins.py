import asyncio
import threading
import time

import pytest

from jackfield import Passage, Plugin, SamplingParams, TurnRefused, hookimpl, message
from jackfield.errors import PluginError
from jackfield.manager import PluginManager
from jackfield.pipeline import Turn
from jackfield.settings_store import SettingsStore
from jackfield.trace import Trace


@pytest.fixture
def manager(paths) -> PluginManager:
    return PluginManager(paths, SettingsStore(paths), entry_points=[])


@pytest.fixture
def turn() -> Turn:
    return Turn(model="m", messages=[message("user", "hi")])


def plugin(**hooks) -> type[Plugin]:
    """A plugin with these hooks."""
    return type(
        "Made", (Plugin,), {f"jackfield_{name}": hookimpl(one) for name, one in hooks.items()}
    )


def traced(call) -> tuple[object, Trace]:
    trace = Trace(turn_id="t")
    return asyncio.run(call(trace)), trace


def test_each_plugin_gets_what_the_one_before_it_made(manager, turn):
    async def stars(self, reply):
        return f"*{reply}*"

    manager.register("a", plugin(transform_reply=lambda self, reply: reply.upper()))
    manager.register("b", plugin(transform_reply=lambda self: None))
    manager.register("c", plugin(transform_reply=stars))
    plugins = manager.for_turn()
    reply, trace = traced(lambda trace: plugins.transform_reply("hi", turn, trace))
    assert reply == "*HI*"
    shown = [(one.plugin, one.changed, one.before, one.after) for one in trace.lines]
    assert shown == [("a", True, "hi", "HI"), ("b", False, "", ""), ("c", True, "HI", "*HI*")]
    assert all(one.hook == "transform_reply" and one.ms >= 0 for one in trace.lines)
    assert trace.plugins == plugins.names == ["a", "b", "c"]


def test_every_hook_of_a_turn_is_called_with_what_it_asks_for(manager, turn):
    seen = []

    def remember(name, answer=None):
        return lambda self, turn: seen.append((name, turn.model)) or answer

    manager.register(
        "all",
        plugin(
            before_turn=remember("before"),
            transform_input=lambda self, text, turn: text + "!",
            add_context=remember("context", [Passage("Paris", title="Atlas")]),
            modify_sampling=lambda self, params: params.model_copy(update={"top_k": 1}),
            transform_prompt=lambda self, prompt: prompt + "?",
            after_turn=lambda self, trace: seen.append(("after", trace.turn_id)),
        ),
    )
    plugins = manager.for_turn()

    async def run(trace):
        await plugins.before_turn(turn, trace)
        text = await plugins.transform_input("a", turn, trace)
        passages = await plugins.add_context(turn, trace)
        params = await plugins.modify_sampling(SamplingParams(), turn, trace)
        prompt = await plugins.transform_prompt("b", turn, trace)
        await plugins.after_turn(turn, trace)
        return text, passages, params.top_k, prompt

    got, trace = traced(run)
    assert got == ("a!", [Passage("Paris", title="Atlas")], 1, "b?")
    assert seen == [("before", "m"), ("context", "m"), ("after", "t")]
    assert [one.hook for one in trace.lines] == [
        "before_turn",
        "transform_input",
        "add_context",
        "modify_sampling",
        "transform_prompt",
        "after_turn",
    ]
    assert trace.lines[2].after == "[Atlas] Paris"
    assert trace.lines[3].after == '{"top_k":1}'


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(2), StopIteration("x"), TimeoutError(), AssertionError()]
)
@pytest.mark.parametrize("is_async", [False, True])
def test_whatever_a_hook_raises_the_value_stays_and_the_trace_says_so(
    manager, turn, error, is_async
):
    def fails(self, text):
        raise error

    async def fails_async(self, text):
        raise error

    hook = fails_async if is_async else fails
    manager.register("bad", plugin(transform_input=hook))
    manager.register("good", plugin(transform_input=lambda self, text: text + "!"))
    plugins = manager.for_turn()
    text, trace = traced(lambda trace: plugins.transform_input("hi", turn, trace))
    assert text == "hi!"
    assert trace.lines[0].error and not trace.lines[0].changed
    assert trace.lines[1].error == ""
    assert manager.record("bad").failures == 1
    assert "transform_input" in manager.record("bad").error


@pytest.mark.parametrize(
    ("hook", "answer", "words"),
    [
        ("transform_reply", 3, "int instead of str"),
        ("transform_prompt", b"x", "bytes instead of str"),
        ("modify_sampling", {"top_k": 1}, "dict instead of SamplingParams"),
        ("modify_sampling", SamplingParams().model_copy(update={"top_k": -3}), "greater than"),
        ("add_context", "a text", "str instead of a list"),
        ("add_context", ["a text"], "list with str"),
    ],
)
def test_an_answer_of_the_wrong_kind_is_the_plugins_error(manager, turn, hook, answer, words):
    manager.register("bad", plugin(**{hook: lambda self: answer}))
    plugins = manager.for_turn()
    start = {"modify_sampling": [SamplingParams()], "add_context": []}.get(hook, ["hi"])
    value, trace = traced(lambda trace: getattr(plugins, hook)(*start, turn, trace))
    assert value == (start[0] if start else [])
    assert words in trace.lines[0].error


def test_sampling_keeps_which_fields_were_set(manager, turn):
    manager.register(
        "cool", plugin(modify_sampling=lambda self, params: params.merged(SamplingParams(top_k=2)))
    )
    plugins = manager.for_turn()
    start = SamplingParams(seed=1)
    params, _ = traced(lambda trace: plugins.modify_sampling(start, turn, trace))
    assert params.changed() == {"seed": 1, "top_k": 2}


def test_what_a_plugin_does_to_the_turn_is_shown_and_put_back_if_it_fails(manager, turn):
    def prepares(self, turn):
        turn.messages.append(message("user", "and more"))
        turn.notes["seen"] = True

    def breaks(self, turn):
        turn.messages.clear()
        turn.notes["bad"] = True
        turn.model = "other"
        raise ValueError("half-way")

    manager.register("a", plugin(before_turn=prepares))
    manager.register("b", plugin(before_turn=breaks))
    plugins = manager.for_turn()
    _, trace = traced(lambda trace: plugins.before_turn(turn, trace))
    assert [one.text for one in turn.messages] == ["hi", "and more"]
    assert (turn.notes, turn.model) == ({"seen": True}, "m")
    assert trace.lines[0].changed and "user: and more" in trace.lines[0].after
    assert "half-way" in trace.lines[1].error


@pytest.mark.parametrize("hook", ["before_turn", "add_context"])
def test_a_plugin_may_decline_a_turn(manager, turn, hook):
    def declines(self, turn):
        raise TurnRefused("Too long.")

    manager.register("guard", plugin(**{hook: declines}))
    plugins = manager.for_turn()
    trace = Trace(turn_id="t")
    with pytest.raises(TurnRefused, match="Too long"):
        asyncio.run(getattr(plugins, hook)(turn, trace))
    assert trace.lines[0].error == "refused: Too long."
    assert manager.record("guard").failures == 0


def test_an_essential_plugin_that_fails_fails_the_turn(manager, turn):
    def fails(self, reply):
        raise ValueError("no key")

    kind = type("Needed", (plugin(transform_reply=fails),), {"essential": True})
    manager.register("needed", kind)
    plugins = manager.for_turn()
    with pytest.raises(PluginError, match="'needed' failed in transform_reply") as caught:
        traced(lambda trace: plugins.transform_reply("hi", turn, trace))
    assert caught.value.details["plugin"] == "needed"


def test_a_plugin_that_fails_in_five_turns_is_left_out_of_the_sixth(manager, turn):
    def fails(self, reply):
        raise ValueError("again")

    manager.register("bad", plugin(transform_reply=fails))
    for _ in range(5):
        plugins = manager.for_turn()
        assert plugins.implements("transform_reply")
        traced(lambda trace, plugins=plugins: plugins.transform_reply("hi", turn, trace))
    assert not manager.for_turn().implements("transform_reply")
    assert manager.record("bad").state == "set aside"


def test_a_slow_hook_runs_beside_the_event_loop_and_a_cancelled_turn_does_not_wait(manager, turn):
    go = threading.Event()

    def slow(self, reply):
        go.wait(30)
        return reply

    manager.register("slow", plugin(transform_reply=slow))
    plugins = manager.for_turn()

    async def run():
        task = asyncio.create_task(plugins.transform_reply("hi", turn, Trace(turn_id="t")))
        for _ in range(20):
            await asyncio.sleep(0)  # the loop goes on
        started = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        waited = time.perf_counter() - started
        go.set()
        return waited

    assert asyncio.run(run()) < 10


def test_hooks_that_nobody_has_cost_no_thread_and_hardly_any_time(manager, turn):
    manager.register("other", plugin(after_turn=lambda self: None))

    async def run(trace):
        before = threading.active_count()
        started = time.perf_counter()
        for _ in range(100):
            plugins = manager.for_turn()
            await plugins.before_turn(turn, trace)
            await plugins.transform_input("hi", turn, trace)
            await plugins.add_context(turn, trace)
            await plugins.modify_sampling(turn.sampling, turn, trace)
            await plugins.transform_prompt("hi", turn, trace)
            await plugins.transform_reply("hi", turn, trace)
        return threading.active_count() - before, (time.perf_counter() - started) / 100

    (threads, seconds), trace = traced(run)
    assert threads == 0
    assert trace.lines == []
    assert seconds < 0.01  # a thousandth on a quiet machine
