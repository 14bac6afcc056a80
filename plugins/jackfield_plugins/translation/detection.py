"""Tells which language a text is in."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any

import regex

from jackfield import JackfieldError
from jackfield_plugins.translation.inline import items
from jackfield_plugins.translation.languages import NAMES, short

SHORT = 12
"""Letters; a shorter text may be in many languages, so what was spoken before counts."""
SURE = 0.9
"""How sure one has to be, from 0 to 1, of a language that no engine here translates."""
LONG = 60
"""Letters; only in a longer text is such a language believed at all."""
CODE_BLOCK = regex.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1|\Z)", regex.M | regex.S)
LETTERS = regex.compile(r"\p{L}+")


def detect(text: str, expected: Collection[str], before: str = "") -> str:
    """The language of a text, "" if it cannot be told.

    Args:
        expected: languages that it probably is in.
        before: the language spoken so far, which decides for short texts, "" if unknown.

    Raises:
        JackfieldError: the library that knows languages is not installed.
    """
    words = LETTERS.findall(_prose(text))
    count = sum(map(len, words))
    if not words or (count < SHORT and before):
        return before
    prose = " ".join(words)
    likely, how_sure = _best(prose, frozenset(expected))
    if not likely or count >= LONG:
        other, other_sure = _best(prose, frozenset())
        if other and other not in expected and other_sure >= SURE:
            return other
    if how_sure < SURE and before and count < LONG:
        return before
    return likely


def _prose(text: str) -> str:
    """A text without code and addresses."""
    text = CODE_BLOCK.sub(" ", text)
    pieces, at = [], 0
    for item in items(text):
        pieces += [text[at : item.start], item.inside]
        at = item.end
    return " ".join([*pieces, text[at:]])


def _best(text: str, expected: frozenset[str]) -> tuple[str, float]:
    """The most probable of some languages, or of all, with its probability."""
    detector = _detector(expected)
    if detector is None:
        return (*expected, "")[0], 0.0
    found = detector.compute_language_confidence_values(text[:4000])
    if not found or found[0].value <= 0:
        return "", 0.0
    return short(found[0].language.iso_code_639_1.name.lower()), float(found[0].value)


@lru_cache(maxsize=8)
def _detector(expected: frozenset[str]) -> Any:
    """What tells between languages; None where there are not two of them to tell.

    In its low accuracy mode all languages together take 65 MB, in the other 900.
    """
    try:
        from lingua import Language, LanguageDetectorBuilder
    except ImportError as error:
        raise JackfieldError(
            "What tells languages apart is not installed.",
            hint="pip install 'jackfield[translation]'",
        ) from error
    wanted = [
        one for one in Language.all() if one.iso_code_639_1.name.lower() in (expected or NAMES)
    ]
    if len(wanted) < 2:
        return None
    return LanguageDetectorBuilder.from_languages(*wanted).with_low_accuracy_mode().build()
