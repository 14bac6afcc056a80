"""opus-mt models through CTranslate2 and Apertium, on real weights and the real program."""

import json
import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

import parts
import parts_translation
from jackfield.errors import InvalidRequest, JackfieldError
from jackfield.testing import PluginConformance, Workbench
from jackfield.testing.workbench import PLUGIN
from jackfield_plugins.translation.apertium import Apertium, ApertiumTranslator
from jackfield_plugins.translation.conversion import Converted
from jackfield_plugins.translation.engines import Engines
from jackfield_plugins.translation.frames import Order
from jackfield_plugins.translation.marian import Marian, MarianTranslator
from jackfield_plugins.translation.opus import models_below

LOG = logging.getLogger("test")


class TestMarian(PluginConformance):
    plugin = Marian


class TestApertium(PluginConformance):
    plugin = Apertium


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both directions, in CTranslate2's format."""
    folder = tmp_path_factory.mktemp("models")
    for model in (parts.opus_mt(), parts_translation.opus_mt_back()):
        (folder / model.name).symlink_to(parts_translation.converted(model))
    return folder


@pytest.fixture
def marian(models: Path) -> Iterator[MarianTranslator]:
    with Workbench(Marian, config={"folder": str(models)}) as bench:
        engine = bench.app.plugins.translators()["marian"]
        assert isinstance(engine, MarianTranslator)
        yield engine


@pytest.fixture(scope="module")
def apertium() -> ApertiumTranslator:
    return ApertiumTranslator(lambda: 60.0)


def test_both_directions_are_found_in_a_folder(marian: MarianTranslator) -> None:
    assert set(marian.pairs()) == {("en", "fr"), ("fr", "en")}


def test_sentences_are_translated_in_their_order(marian: MarianTranslator) -> None:
    made = marian.translate(["The cat sleeps.", "It is raining today."], "en", "fr")
    assert made == ["Le chat dort.", "Il pleut aujourd'hui."]


def test_a_sentence_that_is_too_long_for_the_model_is_translated_to_its_end(
    marian: MarianTranslator,
) -> None:
    text = " and ".join(f"the house number {number} is red" for number in range(60))
    (made,) = marian.translate([text], "en", "fr")
    assert "59" in made
    assert made.count("maison") > 30


def test_a_model_in_the_hugging_face_format_is_converted_once_and_then_kept(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workbench(Marian) as bench:
        place = bench.app.paths.models / "anything"
        place.symlink_to(parts_translation.opus_mt_back())
        engine = bench.app.plugins.translators()["marian"]
        assert list(engine.pairs()) == [("fr", "en")]
        assert engine.translate(["Le chat dort."], "fr", "en") == ["The cat's asleep."]
        monkeypatch.setattr(subprocess, "run", _refused)
        assert engine.translate(["Il pleut."], "fr", "en") == ["It's raining."]


def _refused(*given: Any, **named: Any) -> None:
    raise AssertionError("it was converted again")


def test_a_broken_model_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = tmp_path / "opus-mt-en-fr"
    shutil.copytree(parts.opus_mt(), broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    kept = tmp_path / "kept"
    with pytest.raises(JackfieldError, match="'opus-mt-en-fr' could not be converted: ") as caught:
        Converted(kept, LOG).of(broken)
    assert "Traceback" not in caught.value.message
    assert [path for path in kept.iterdir() if path.suffix != ".lock"] == []


def test_without_what_converts_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(JackfieldError, match="needs torch and transformers") as caught:
        Converted(tmp_path, LOG).of(tmp_path)
    assert "pip install 'jackfield[transformers]'" in caught.value.hint


def test_without_its_libraries_the_engine_names_the_extra(
    marian: MarianTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert marian.missing() == "pip install 'jackfield[marian]'"
    assert list(marian.pairs()) == []


def test_a_missing_pair_names_the_model_to_fetch(marian: MarianTranslator) -> None:
    with pytest.raises(InvalidRequest, match="from English to German") as caught:
        marian.translate(["Hello"], "en", "de")
    assert caught.value.hint == "jackfield models pull Helsinki-NLP/opus-mt-en-de"


def test_a_process_that_is_killed_fails_its_sentences_and_the_next_has_another(
    marian: MarianTranslator,
) -> None:
    marian.translate(["Hello."], "en", "fr")
    first = marian.process_id
    failures: list[JackfieldError] = []

    def work() -> None:
        try:
            marian.translate([f"This is sentence {n} of many." for n in range(2000)], "en", "fr")
        except JackfieldError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.3)
    os.kill(first, signal.SIGKILL)
    thread.join(60)
    (failure,) = failures
    assert "ended unexpectedly (signal 9)" in failure.message
    assert marian.translate(["The cat sleeps."], "en", "fr") == ["Le chat dort."]
    assert marian.process_id not in (0, first)


def test_the_process_ends_when_it_is_idle_and_when_the_plugin_stops(models: Path) -> None:
    config = {"folder": str(models), "idle_minutes": 0.01}
    with Workbench(Marian, config=config) as bench:
        engine = bench.app.plugins.translators()["marian"]
        assert isinstance(engine, MarianTranslator)
        engine.translate(["Hello."], "en", "fr")
        assert _ends(lambda: engine.process_id)
        bench.app.plugins.configure("under-test", {"idle_minutes": 60})
        engine.translate(["Hello."], "en", "fr")
        process = engine.process_id
        assert process
    assert not Path(f"/proc/{process}").exists()


def _ends(process: Callable[[], int]) -> bool:
    until = time.monotonic() + 20
    while process() and time.monotonic() < until:
        time.sleep(0.02)
    return not process()


def test_a_process_that_hangs_does_not_hold_up_the_end(models: Path) -> None:
    failed: list[JackfieldError] = []
    with Workbench(Marian, config={"folder": str(models)}) as bench:
        engine = bench.app.plugins.translators()["marian"]
        assert isinstance(engine, MarianTranslator)
        engine.translate(["Hello."], "en", "fr")
        os.kill(engine.process_id, signal.SIGSTOP)

        def ask() -> None:
            try:
                engine.translate(["Good morning."], "en", "fr")
            except JackfieldError as error:
                failed.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.3)
        ending = threading.Thread(target=bench.app.plugins.disable, args=[PLUGIN])
        ending.start()
        ending.join(10)
        ended = not ending.is_alive()
        if not ended:
            os.kill(engine.process_id, signal.SIGKILL)
        asking.join()
        ending.join()
    assert ended
    assert failed


def test_nothing_more_is_translated_for_a_turn_that_was_stopped(
    marian: MarianTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jackfield_plugins.translation.marian.AT_ONCE", 1)
    asked: list[str] = []
    begun, ended = threading.Event(), threading.Event()

    def ask(order: Order, idle: float) -> list[str]:
        asked.extend(order.texts)
        begun.set()
        time.sleep(0.05)
        return order.texts

    def translate() -> None:
        try:
            marian.translate([f"Sentence {number}." for number in range(100)], "en", "fr")
        finally:
            ended.set()

    async def stopped_soon() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(anyio.to_thread.run_sync, translate, abandon_on_cancel=True))
            await anyio.to_thread.run_sync(begun.wait)
            group.cancel_scope.cancel()

    monkeypatch.setattr(marian._interpreter, "ask", ask)
    anyio.run(stopped_soon)
    assert ended.wait(10)
    assert len(asked) < 20


def test_several_threads_share_the_process(marian: MarianTranslator) -> None:
    made: dict[int, list[str]] = {}

    def work(number: int) -> None:
        made[number] = marian.translate([f"I have {number} cats."], "en", "fr")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20, 26)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert made == {number: [f"J'ai {number} chats."] for number in range(20, 26)}


def test_a_model_of_several_languages_has_a_pair_for_each(tmp_path: Path) -> None:
    folder = tmp_path / "opus-mt-en-ROMANCE"
    folder.mkdir()
    for name in ("source.spm", "target.spm"):
        (folder / name).touch()
    tokens = ["</s>", ">>fr<<", ">>fr_BE<<", ">>es<<", ">>nobody<<", "word"]
    (folder / "vocab.json").write_text(json.dumps({one: at for at, one in enumerate(tokens)}))
    found = {(one.source, one.target): one.prefix for one in models_below(tmp_path)}
    assert found == {("en", "fr"): ">>fr<<", ("en", "es"): ">>es<<"}


def test_apertium_lists_its_pairs_by_codes_of_two_letters(apertium: ApertiumTranslator) -> None:
    assert {("en", "es"), ("es", "en"), ("fr", "es"), ("es", "fr")} <= set(apertium.pairs())


def test_apertium_translates_sentences_each_by_itself(apertium: ApertiumTranslator) -> None:
    made = apertium.translate(["The house is red.", "", "The cat\nis big"], "en", "es")
    assert made == ["La casa es roja.", "", "El gato es grande"]


def test_apertium_leaves_its_own_special_characters_alone(apertium: ApertiumTranslator) -> None:
    text = r"the ^house$ [x] {y} \z @w / <b>"
    (made,) = apertium.translate([text], "en", "es")
    assert [one for one in "^$[]{}\\@/<>" if one not in made] == []


def test_apertium_without_the_pair_says_where_to_look(apertium: ApertiumTranslator) -> None:
    with pytest.raises(InvalidRequest, match="from Finnish to English") as caught:
        apertium.translate(["moi"], "fi", "en")
    assert caught.value.hint == "apt-cache search apertium | grep -e fin -e eng"


def test_apertium_that_is_not_installed_names_the_packages(
    apertium: ApertiumTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert apertium.missing() == "apt install apertium apertium-eng-spa"
    assert list(apertium.pairs()) == []


def test_apertium_that_takes_too_long_is_ended() -> None:
    engine = ApertiumTranslator(lambda: 0.001)
    engine.pairs()
    with pytest.raises(JackfieldError, match="took longer than"):
        engine.translate(["The house is red."], "en", "es")


def test_two_engines_together_go_through_english(
    marian: MarianTranslator, apertium: ApertiumTranslator
) -> None:
    class NoFrench(ApertiumTranslator):
        def pairs(self) -> list[tuple[str, str]]:
            return [one for one in super().pairs() if "fr" not in one]

    engines = Engines(
        lambda: {"marian": marian, "apertium": NoFrench(lambda: 60.0)}, lambda: "marian"
    )
    assert [step.engine for step in engines.route("fr", "es")] == ["marian", "apertium"]
    assert engines.translate("La maison est rouge.", "fr", "es") == "La casa es roja."


def test_a_text_of_five_thousand_lines_keeps_its_lines(apertium: ApertiumTranslator) -> None:
    engines = Engines(lambda: {"apertium": apertium}, lambda: "")
    text = "".join(f"{number}. The house number {number} is red.\n" for number in range(5000))
    made = engines.translate(text, "en", "es")
    lines = made.splitlines()
    assert len(lines) == 5000
    assert lines[4999] == "4999. El número de casa 4999 es rojo."


@pytest.mark.parametrize("text", ["", " ", "\n\n", "```\ncode\n```"])
def test_a_text_without_words_comes_back_as_it_is(text: str, marian: MarianTranslator) -> None:
    engines = Engines(lambda: {"marian": marian}, lambda: "")
    assert engines.translate(text, "en", "fr") == text
    assert marian.process_id == 0


SENTENCES = (
    "The train to Paris leaves at eight o'clock in the morning.",
    "My sister has been living in London for three years.",
    "Could you please explain how this machine works?",
    "The children are playing in the garden behind the house.",
    "We should buy some bread before the shop closes.",
    "I have never seen such a beautiful sunset.",
    "The doctor told him to drink more water every day.",
    "This book was written by a famous French author.",
    "If it rains tomorrow, we will stay at home.",
    "Scientists have discovered a new planet far away from our solar system.",
)


def chrf(said: str, wanted: str, longest: int = 6) -> float:
    """Likeness by runs of characters, 0 to 100 (chrF2: Popović 2015)."""
    scores = []
    said, wanted = said.replace(" ", ""), wanted.replace(" ", "")
    for size in range(1, longest + 1):
        one = [said[at : at + size] for at in range(len(said) - size + 1)]
        other = [wanted[at : at + size] for at in range(len(wanted) - size + 1)]
        both = sum(min(one.count(run), other.count(run)) for run in set(one))
        precision, recall = both / max(1, len(one)), both / max(1, len(other))
        scores.append(5 * precision * recall / (4 * precision + recall) if both else 0.0)
    return 100 * sum(scores) / longest


def test_ten_sentences_there_and_back_stay_readable(marian: MarianTranslator) -> None:
    there = marian.translate(SENTENCES, "en", "fr")
    back = marian.translate(there, "fr", "en")
    scores = [chrf(three, one) for one, three in zip(SENTENCES, back, strict=True)]
    assert sum(scores) / 10 > 70
    assert min(scores) > 40
