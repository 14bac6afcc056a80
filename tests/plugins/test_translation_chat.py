"""Chats in one language with a model that works in another, through the real pipeline."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

import parts
import parts_translation
from jackfield.errors import InvalidRequest, JackfieldError
from jackfield.messages import (
    DoneEvent,
    Event,
    Message,
    NoticeEvent,
    TextEvent,
    message,
)
from jackfield.pipeline import Turn
from jackfield.plugin import Plugin, hookimpl
from jackfield.sampling import SamplingParams
from jackfield.testing import PluginConformance, Workbench
from jackfield.translation import Translator
from jackfield_plugins.translation.marian import Marian, MarianTranslator
from jackfield_plugins.translation.plugin import Translation

CODE = "```python\ndef sort(items):  # Sort the list. It's short.\n\treturn sorted(items)  \n```\n"
REPLY = f"You can sort a list with one function.\n\n{CODE}\nIt has 3 lines. See `sorted()`.\n"


class TestTranslation(PluginConformance):
    plugin = Translation


class Dictionary(Translator):
    """Between English and French, by adding the language; knows what it was asked."""

    name = "dictionary"
    title = "Dictionary"
    known: ClassVar[Sequence[tuple[str, str]]] = (("en", "fr"), ("fr", "en"))

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = False

    def missing(self) -> str:
        return ""

    def pairs(self) -> Sequence[tuple[str, str]]:
        return self.known

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        if (source, target) not in self.known:
            raise InvalidRequest("No such pair.", hint=f"buy {source}-{target}")
        if self.fails:
            raise JackfieldError("The dictionary is shut.")
        self.asked += texts
        return [f"{target}:{text}" for text in texts]


class Dictionaries(Plugin):
    """Supplies the dictionary."""

    @hookimpl
    def jackfield_started(self) -> None:
        self.engine = Dictionary()

    @hookimpl
    def jackfield_translators(self) -> list[Translator]:
        return [self.engine]


@contextmanager
def with_dictionary(**given: Any) -> Iterator[tuple[Workbench, Dictionary]]:
    given.setdefault("config", {"on": True})
    with Workbench(Translation, **given) as bench:
        bench.app.plugins.register("dictionary", Dictionaries)
        bench.app.plugins.enable("dictionary")
        engine = bench.app.plugins.translators()["dictionary"]
        assert isinstance(engine, Dictionary)
        yield bench, engine


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for model in (parts.opus_mt(), parts_translation.opus_mt_back()):
        (folder / model.name).symlink_to(parts_translation.converted(model))
    return folder


@contextmanager
def with_marian(models: Path, **given: Any) -> Iterator[tuple[Workbench, MarianTranslator]]:
    with Workbench(Translation, config={"on": True}, **given) as bench:
        bench.app.plugins.register("marian", Marian, config={"folder": str(models)})
        bench.app.plugins.enable("marian")
        engine = bench.app.plugins.translators()["marian"]
        assert isinstance(engine, MarianTranslator)
        yield bench, engine


def run(bench: Workbench, *messages: Message, **given: Any) -> tuple[Turn, list[Event]]:
    """A turn, with what its plugins kept."""
    turn = Turn(model="fake-model", messages=list(messages), **given)
    return turn, bench.app.portal.call(bench._collect, turn)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextEvent))


def notices(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, NoticeEvent)]


FRENCH = "Bonjour, comment peut-on trier une liste en Python ?"


def test_a_french_question_to_an_english_model_is_answered_in_french(models: Path) -> None:
    with with_marian(models, replies=[REPLY]) as (bench, _):
        turn, events = run(bench, message("user", FRENCH))
    reply = text_of(events)
    assert CODE.encode() in reply.encode()
    assert "`sorted()`" in reply
    assert "Vous pouvez trier une liste" in reply
    assert "3 lignes" in reply
    assert turn.extras["under-test"]["original"] == REPLY
    assert turn.extras["under-test"]["source"] == "en"
    assert turn.extras["under-test"]["target"] == "fr"
    assert notices(events) == []


def test_the_model_reads_the_question_in_its_language(models: Path) -> None:
    with with_marian(models, replies=["prompt"]) as (bench, _):
        reply = bench.chat(FRENCH)
    assert "how can we sort a list in Python" in reply.trace.prompt
    assert "trier" not in reply.trace.prompt


def test_a_process_killed_in_mid_reply_costs_a_sentence_and_a_notice(models: Path) -> None:
    words = " ".join(f"This is the sentence number {number} of it." for number in range(10, 22))
    with with_marian(models, replies=[words], model={"delay": 0.01}) as (bench, engine):
        killed: list[int] = []

        async def kill_once(turn: Turn) -> list[Event]:
            events: list[Event] = []
            async for event in bench.app.pipeline.run(turn):
                events.append(event)
                if len(events) == 2 and engine.process_id > 0:
                    killed.append(engine.process_id)
                    os.kill(engine.process_id, signal.SIGKILL)
            return events

        turn = Turn(model="fake-model", messages=[message("user", FRENCH)])
        events = bench.app.portal.call(kill_once, turn)
    assert len(killed) == 1
    (notice,) = notices(events)
    assert "A part of this reply is not translated." in notice
    assert "signal 9" in notice
    reply = text_of(events)
    assert "This is the sentence number 1" in reply
    assert reply.count("la phrase") >= 8
    assert all(str(number) in reply for number in range(10, 22))
    assert isinstance(events[-1], DoneEvent) and events[-1].finish_reason == "stop"


def test_sentences_come_in_order_and_before_the_reply_is_whole() -> None:
    reply = "The first sentence is here. The second one follows it. And a third ends it."
    with with_dictionary(replies=[reply], model={"delay": 0.005}) as (bench, engine):
        seen: list[tuple[str, int]] = []

        async def watch(turn: Turn) -> None:
            async for event in bench.app.pipeline.run(turn):
                if isinstance(event, TextEvent):
                    seen.append((event.text.strip(), len(engine.asked)))

        bench.app.portal.call(watch, Turn(model="fake-model", messages=[message("user", FRENCH)]))
    assert [text for text, _ in seen if text] == [
        "fr:The first sentence is here.",
        "fr:The second one follows it.",
        "fr:And a third ends it.",
    ]
    assert seen[0][1] == 2  # the question and the first sentence: no other was there yet


def test_nothing_is_translated_until_the_user_asks_for_it() -> None:
    with with_dictionary(config={}, replies=["Hello there."]) as (bench, engine):
        assert bench.chat(FRENCH).text == "Hello there."
        options = {"under-test": {"on": True}}
        turn, events = run(bench, message("user", FRENCH), options=options)
        assert text_of(events) == "fr:Hello there."
        bench.app.plugins.configure("under-test", {"on": True})
        _, events = run(bench, message("user", FRENCH), options={"under-test": {"on": False}})
        assert text_of(events) == "Hello there."
    assert turn.extras["under-test"]["original"] == "Hello there."
    assert engine.asked == [FRENCH, "Hello there."]


def test_what_is_in_the_models_language_already_is_left_alone() -> None:
    with with_dictionary(replies=["Hello there."]) as (bench, engine):
        question = "How can one sort a list in Python, please?"
        turn, events = run(bench, message("user", question))
    assert text_of(events) == "Hello there."
    assert (engine.asked, turn.extras) == ([], {})


def test_a_chat_says_its_languages() -> None:
    options = {"under-test": {"on": True, "user": "fr", "model": "en"}}
    with with_dictionary(config={}, replies=["Hello there."]) as (bench, _):
        question = message("user", "How can one sort a list in Python, please?")
        _, events = run(bench, question, options=options)
    assert text_of(events) == "fr:Hello there."


def test_a_word_that_is_no_language_is_said_to_be_none() -> None:
    options = {"under-test": {"on": True, "user": "klingon"}}
    with with_dictionary(replies=["Hello there."]) as (bench, _):
        _, events = run(bench, message("user", FRENCH), options=options)
    assert notices(events) == ["'klingon' is no code of a language, such as fr."]


def test_a_short_answer_is_taken_for_the_language_of_the_chat() -> None:
    with with_dictionary(replies=["prompt"]) as (bench, _):
        before = [message("user", FRENCH), message("assistant", "Avec sorted, tout simplement.")]
        _, events = run(bench, *before, message("user", "oui"))
    assert "en:oui" in text_of(events)


def test_an_earlier_reply_goes_back_to_the_model_in_its_own_words() -> None:
    with with_dictionary(replies=["Hello there. Bye.", "prompt"]) as (bench, engine):
        turn, events = run(bench, message("user", FRENCH))
        said = message("assistant", text_of(events))
        saved = msgspec.structs.replace(said, extras=turn.extras)
        engine.asked.clear()
        more = message("user", "Et ensuite, quoi ?")
        again, _ = run(bench, message("user", FRENCH), saved, more)
        prompt = bench.app.traces.get(again.id).prompt
        assert "assistant\nHello there. Bye.<|im_end|>" in prompt
        edited = saved.with_text("Voici une autre réponse, tout autre.")
        run(bench, message("user", FRENCH), edited, more)
    assert "Voici une autre réponse, tout autre." in engine.asked


def test_a_client_that_sends_a_reply_back_without_its_original_has_it_all_the_same() -> None:
    with with_dictionary(replies=["Hello there.", "prompt"]) as (bench, _):
        _, events = run(bench, message("user", FRENCH))
        back = message("assistant", text_of(events))
        more = message("user", "Et ensuite, quoi ?")
        again, _ = run(bench, message("user", FRENCH), back, more)
        prompt = bench.app.traces.get(again.id).prompt
    assert "assistant\nHello there.<|im_end|>" in prompt


def test_a_continued_reply_goes_on_from_its_original() -> None:
    with with_dictionary(replies=["The bread is baked. It is good."]) as (bench, _):
        turn, events = run(bench, message("user", FRENCH), sampling=SamplingParams(max_tokens=4))
        begun = msgspec.structs.replace(message("assistant", text_of(events)), extras=turn.extras)
        original = turn.extras["under-test"]["original"]
        turn, events = run(bench, message("user", FRENCH), begun, continues="some reply")
    assert original and turn.extras["under-test"]["original"].startswith(original)
    assert turn.extras["under-test"]["original"] == "The bread is baked. It is good."


def test_code_in_which_a_reply_was_cut_off_is_still_code_when_it_goes_on() -> None:
    begun = "Sort it so:\n\n```python\nprint('hello')\n"
    extras = {"under-test": {"original": begun, "source": "en", "target": "fr", "digest": "-"}}
    said = msgspec.structs.replace(message("assistant", begun), extras=extras)
    with with_dictionary(replies=["print('world')\n```\nIt is sorted.\n"]) as (bench, engine):
        _, events = run(bench, message("user", FRENCH), said, continues="some reply")
    assert "print('world')" not in engine.asked
    assert text_of(events) == "print('world')\n```\nfr:It is sorted.\n"


def test_spaces_in_code_within_a_sentence_stay() -> None:
    with with_dictionary(replies=["Type `ls   -l` here."]) as (bench, _):
        _, events = run(bench, message("user", FRENCH))
    assert text_of(events) == "fr:Type `ls   -l` here."


def test_a_missing_pair_is_said_with_how_to_get_it_and_the_turn_goes_on() -> None:
    finnish = (
        "Voisitko selittää minulle, miten kananmuna keitetään oikein ja kuinka kauan se kestää?"
    )
    with with_dictionary(replies=["echo"]) as (bench, _):
        bench.app.plugins.register("marian", Marian)
        bench.app.plugins.enable("marian")
        turn, events = run(bench, message("user", finnish))
    (notice,) = notices(events)
    assert "Nothing here translates English to Finnish." in notice
    assert "jackfield models pull Helsinki-NLP/opus-mt-en-fi" in notice
    assert text_of(events) == finnish
    assert turn.extras == {}


def test_without_any_engine_the_user_is_told_what_to_do() -> None:
    with Workbench(Translation, config={"on": True}) as bench:
        reply = bench.chat(FRENCH)
    (notice,) = notices(reply.events)
    assert "There is nothing here that translates." in notice
    assert "jackfield models pull" in notice
    assert reply.text == FRENCH


def test_an_engine_that_fails_leaves_the_reply_as_it_is_and_says_so_once() -> None:
    reply = " ".join(f"This is the sentence number {number}." for number in range(8))
    with with_dictionary(replies=[reply]) as (bench, engine):
        plugin = bench.app.plugins.plugin("under-test")
        assert isinstance(plugin, Translation)
        plugin.engines.translate(FRENCH, "fr", "en")  # so that the question is known
        turn = Turn(model="fake-model", messages=[message("user", FRENCH)])
        engine.fails = True
        events = bench.app.portal.call(bench._collect, turn)
    assert text_of(events) == reply
    assert notices(events) == ["A part of this reply is not translated. The dictionary is shut."]
    assert turn.extras == {}


@pytest.mark.parametrize("text", ["", "   ", "12345", "```\nx = 1\n```"])
def test_a_message_without_words_passes(text: str) -> None:
    with with_dictionary(replies=["Hello there."]) as (bench, engine):
        reply = bench.chat(text)
    assert reply.text == "Hello there."
    assert not [line for line in reply.trace.lines if line.error]
    assert engine.asked == []


def test_a_cancelled_reply_keeps_the_original_of_what_was_written() -> None:
    reply = " ".join(f"This is the sentence number {number}." for number in range(50))
    with with_dictionary(replies=[reply], model={"delay": 0.002}) as (bench, _):
        turn = Turn(model="fake-model", messages=[message("user", FRENCH)])
        given: list[str] = []

        async def stop_early() -> None:
            stream = bench.app.pipeline.run(turn)
            async for event in stream:
                if isinstance(event, TextEvent):
                    given.append(event.text)
                    if event.text.strip():
                        break
            await stream.aclose()

        bench.app.portal.call(stop_early)
    kept = turn.extras["under-test"]
    assert kept["original"].startswith("This is the sentence number 0.")
    assert kept["original"] == "".join(given).replace("fr:", "")  # and no more than was shown


def test_log_probabilities_of_another_text_are_left_out() -> None:
    with with_dictionary(replies=["Hello there."]) as (bench, _):
        _, events = run(bench, message("user", FRENCH), sampling=SamplingParams(logprobs=1))
    assert [one.logprobs for one in events if isinstance(one, TextEvent)] == [()]


def test_the_inspector_tells_what_was_translated_and_by_whom() -> None:
    with with_dictionary(replies=["Hello there."]) as (bench, _):
        turn, _ = run(bench, message("user", FRENCH))
    rows = [
        (row["what"], row["from"], row["to"], row["engine"]) for row in turn.accounts["under-test"]
    ]
    assert rows == [
        ("your message", "fr", "en", "dictionary"),
        ("the reply", "en", "fr", "dictionary"),
    ]
