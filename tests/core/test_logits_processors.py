"""What plugins do to the scores of tokens: sent to the worker with each request, guarded there."""

from collections.abc import Sequence
from typing import Any

import pytest

from jackfield import LoadedModel, LogitsProcessor, Plugin, hookimpl
from jackfield.errors import LoadFailed
from jackfield.messages import ErrorEvent, NoticeEvent
from jackfield.pipeline import Turn
from jackfield.testing import Workbench
from jackfield.worker.reference import ProcessorReference


class Say(LogitsProcessor):
    """Begins the reply with other tokens, one after the other."""

    texts: tuple[str, ...]

    def begin(self, model: LoadedModel, prompt: Sequence[int]) -> None:
        self.prompt = len(prompt)
        self.ids = [model.tokenize(text)[0] for text in self.texts]

    def __call__(self, tokens: Sequence[int], scores: Any) -> Any:
        done = len(tokens) - self.prompt
        if done < len(self.ids):
            scores[self.ids[done]] = scores.max() + 9
        return scores


class Fails(LogitsProcessor):
    """Spoils the scores, then fails, from some token on."""

    how: str

    def __call__(self, tokens: Sequence[int], scores: Any) -> Any:
        if self.how == "well":
            return scores
        scores[:] = 0
        if self.how == "raises":
            raise RuntimeError("nothing works")
        if self.how == "exits":
            raise SystemExit(3)
        if self.how == "infinite":
            scores[0] = float("inf")
        if self.how == "bans all":
            scores[:] = float("-inf")
        if self.how == "not a number":
            scores[0] = float("nan")
        return {"too short": scores[:3], "nothing": None}.get(self.how, scores)


class Talks(Plugin):
    """Makes the model say something else."""

    class Config(Plugin.Config):
        texts: tuple[str, ...] = ("No", "!!")

    @hookimpl
    def jackfield_logits_processors(self, turn: Turn) -> Sequence[LogitsProcessor]:
        return [Say(self.config.texts)]


class Broken(Plugin):
    """Has a processor that fails in the worker."""

    class Config(Plugin.Config):
        how: str = "raises"

    @hookimpl
    def jackfield_logits_processors(self) -> Sequence[LogitsProcessor]:
        return [Fails(self.config.how)]


class Vital(Broken):
    """The same, and nothing goes without it."""

    essential = True


TALKS: dict[str, Any] = {"replies": ["one two three"], "model": {"processors": True}}


def test_a_plugin_changes_what_is_chosen() -> None:
    with Workbench(Talks, **TALKS) as bench:
        reply = bench.chat("hi")
        assert reply.text.startswith("No!!")
        assert reply.text.endswith("three")
        (line,) = [one for one in reply.trace.lines if one.hook == "logits_processors"]
        assert line.plugin == "under-test"
        assert '{"texts":["No","!!"]}' in line.after
        assert not line.error


def test_each_request_has_its_own_and_a_turn_can_do_without() -> None:
    with Workbench(Talks, **TALKS) as bench:
        assert bench.chat("hi", off=["under-test"]).text == "one two three"
        assert bench.chat("hi").text.startswith("No!!")
        assert bench.chat("a longer prompt than before").text.startswith("No!!")


def test_several_plugins_are_asked_in_their_order() -> None:
    with Workbench(Talks, **TALKS) as bench:
        bench.app.plugins.register("second", Talks, config={"texts": ("Ye",)})
        bench.app.plugins.set_order(["under-test", "second"])
        first = bench.chat("hi")
        owners = [one.plugin for one in first.trace.lines if one.hook == "logits_processors"]
        assert owners == ["under-test", "second"]
        assert first.text.startswith("Ye!!")


def test_a_model_without_them_says_so_and_answers() -> None:
    with Workbench(Talks, replies=["one two three"]) as bench:
        reply = bench.chat("hi")
    assert reply.text == "one two three"
    (notice,) = [one for one in reply.events if isinstance(one, NoticeEvent)]
    assert "'under-test'" in notice.text
    assert "'fake'" in notice.text
    assert any("logits processors" in one for one in reply.trace.dropped)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raises", "RuntimeError: nothing works"),
        ("exits", "SystemExit: 3"),
        ("infinite", "an infinite score"),
        ("bans all", "no token"),
        ("not a number", "no token"),
        ("too short", "instead of an array of shape"),
        ("nothing", "instead of an array of shape"),
    ],
)
def test_one_that_fails_is_passed_over_and_named(how: str, words: str) -> None:
    with Workbench(Broken, config={"how": how}, **TALKS) as bench:
        reply = bench.chat("hi")
        assert reply.text == "one two three"
        errors = [one.error for one in reply.trace.lines if one.error]
        assert len(errors) == 1
        assert words in errors[0]
        assert bench.app.plugins.record("under-test").failures


def test_one_that_keeps_failing_is_set_aside() -> None:
    with Workbench(Broken, **TALKS) as bench:
        for _ in range(10):
            bench.chat("hi")
        record = bench.app.plugins.record("under-test")
        assert record.state == "set aside"
        assert "nothing works" in record.error


def test_failures_of_long_ago_do_not_count() -> None:
    with Workbench(Broken, **TALKS) as bench:
        for _ in range(3):
            bench.chat("hi")
        bench.app.plugins.configure("under-test", {"how": "well"})
        bench.chat("hi")
        assert not bench.app.plugins.record("under-test").failures


def test_a_turn_fails_with_an_essential_plugin() -> None:
    with Workbench(Vital, **TALKS) as bench:
        reply = bench.chat("hi")
    assert isinstance(reply.error, ErrorEvent)
    assert "nothing works" in reply.error.message


class Wrong(Plugin):
    """Returns what is no list of processors."""

    returned: Any = None

    @hookimpl
    def jackfield_logits_processors(self) -> Any:
        return type(self).returned


class Odd(LogitsProcessor):
    """Has a field that no message can hold."""

    value: Any

    def __call__(self, tokens: Sequence[int], scores: Any) -> Any:
        return scores


def local() -> LogitsProcessor:
    class Hidden(LogitsProcessor):
        def __call__(self, tokens: Sequence[int], scores: Any) -> Any:
            return scores

    return Hidden()


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (7, "int instead of a list"),
        ([7], "a list with int in it"),
        ([Odd(object())], "TypeError"),
        ([local()], "Move the class to the top level"),
    ],
)
def test_what_a_worker_could_not_use_is_found_out_before(
    returned: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Wrong, "returned", returned)
    with Workbench(Wrong) as bench:
        reply = bench.chat("hi")
    assert reply.text == "hi"
    (error,) = [one.error for one in reply.trace.lines if one.error]
    assert words in error


def test_a_reference_brings_the_fields_back() -> None:
    reference = ProcessorReference.of(Say(("a",)), "me")
    there = reference.resolve()
    assert isinstance(there, Say)
    assert there.texts == ("a",)


def test_a_class_that_is_none_is_refused() -> None:
    reference = ProcessorReference.of(Say(("a",)), "me")
    other = ProcessorReference("me", type(reference.kind)(__name__, "Talks", __file__), {})
    with pytest.raises(LoadFailed, match="is not a LogitsProcessor"):
        other.resolve()


def test_plugins_with_only_this_hook_count_as_part_of_a_turn() -> None:
    with Workbench(Talks) as bench:
        assert "under-test" in bench.app.plugins.for_turn().names
