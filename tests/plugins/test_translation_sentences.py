"""What is not words comes through translation as it is, whatever the engine does."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield_plugins.translation.sentences import translated


def shouted(texts: list[str]) -> list[str]:
    """An engine that keeps names and numbers, as good ones do."""
    return [text.upper() for text in texts]


def forgetful(texts: list[str]) -> list[str]:
    """An engine that loses names and writes numbers in words."""
    return [re.sub(r"\bXQ\w*|\d+", "something", text).upper() for text in texts]


def once(text: str, engine: Callable[[list[str]], list[str]] = shouted) -> str:
    (made,) = translated([text], engine, markdown=True)
    return made


@pytest.mark.parametrize("engine", [shouted, forgetful])
@pytest.mark.parametrize(
    "kept",
    [
        "`git push. Now`",
        "https://example.org/a_b?c=d#e",
        "me@example.org",
        "3.14",
        "2026-11-29",
        "1999",
        "snake_case",
        "--dry-run",
        "$$x^2$$",
        "![a picture](p.png)",
        "<br/>",
        "[1]",
    ],
)
def test_what_is_no_word_stays_as_it_is_even_if_the_engine_loses_names(
    kept: str, engine: Callable[[list[str]], list[str]]
) -> None:
    made = once(f"please look at {kept} today", engine)
    assert kept in made
    assert "PLEASE LOOK AT" in made and "TODAY" in made


def test_emphasis_is_laid_round_the_same_words() -> None:
    assert once("this is **very important** for us") == "THIS IS **VERY IMPORTANT** FOR US"


def test_emphasis_whose_words_are_not_found_is_given_up_and_the_sentence_stays_whole() -> None:
    said = {"loudly": "fortissimo"}
    made = once("he speaks *loudly* now", lambda texts: [said.get(one, "il crie") for one in texts])
    assert made == "il crie"


def test_a_link_keeps_its_address_and_its_words_are_translated() -> None:
    made = once("read [the docs](http://x.y/2024) first")
    assert made == "READ [THE DOCS](http://x.y/2024) FIRST"


def test_a_link_whose_words_are_not_found_keeps_its_place() -> None:
    def engine(texts: list[str]) -> list[str]:
        return ["la notice" if one == "the docs" else one.replace("the docs", "?") for one in texts]

    assert once("read [the docs](u) first", engine) == "read [la notice](u) first"


def test_two_links_with_the_same_words_keep_their_own_addresses() -> None:
    made = once("from [here](a) to [here](b)")
    assert made == "FROM [HERE](a) TO [HERE](b)"


def test_code_within_emphasis_stays_as_it_is() -> None:
    assert "**CALL `foo()` NOW**" in once("you **call `foo()` now** and wait")


def test_a_number_that_would_be_written_in_words_stays_a_number() -> None:
    def engine(texts: list[str]) -> list[str]:
        return [re.sub(r"\b3\b", "three", text) for text in texts]

    assert once("it has 3 parts", engine) == "it has 3 parts"


def test_a_full_stop_that_the_engine_adds_is_taken_away_again() -> None:
    def engine(texts: list[str]) -> list[str]:
        return [f"{text}." for text in texts]

    assert once("A heading", engine) == "A heading"
    assert once("A sentence.", lambda texts: list(texts)) == "A sentence."


def test_what_has_no_letters_is_not_sent_to_the_engine() -> None:
    def engine(texts: list[str]) -> list[str]:
        raise AssertionError(texts)

    for text in ("12 + 3 = 15", "🎉", "---", "…"):
        assert once(text, engine) == text


def test_a_text_that_already_holds_our_names_is_not_confused_by_them() -> None:
    assert once("XQ1 and `code` and XQ2") == "XQ1 AND `code` AND XQ2"


def test_many_sentences_go_to_the_engine_together() -> None:
    asked: list[int] = []

    def engine(texts: list[str]) -> list[str]:
        asked.append(len(texts))
        return list(texts)

    translated([f"line `a{number}`" for number in range(50)], engine, markdown=True)
    assert asked == [50]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab c.`*_[]()<>1 2é🎉!XQ", max_size=60), st.booleans())
def test_an_engine_that_changes_nothing_changes_nothing_of_the_words(
    text: str, markdown: bool
) -> None:
    (made,) = translated([text], lambda texts: list(texts), markdown=markdown)
    assert re.sub(r"[\s*_.]", "", made) == re.sub(r"[\s*_.]", "", text)
