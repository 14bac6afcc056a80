"""Citations that a model forgets: the number of the passage that has a sentence's words."""

from __future__ import annotations

from collections.abc import Mapping

import regex

ENDS = regex.compile(r"[.!?…]+[\"'”’)*_]*(?=\s+[^\s\[])|(?=\n)")
MAY_END = regex.compile(r"[.!?…]+[\"'”’)*_]*\s*$|\s+$")
CITED = regex.compile(r"\[\d{1,3}\]")
WORD = regex.compile(r"\p{L}{4,}|\d+")
STEM = 6
"""Letters of a word that count, so that its forms are alike."""
SHARE = 0.6
"""Part of a sentence's words that a passage must have."""
FEWEST = 3
"""Words that a sentence must have, and share with a passage less one."""


class Citer:
    """Adds ``[n]`` to sentences of a reply as it comes; code, and what is cited, stays as it is.

    Args:
        passages: texts by their numbers.
    """

    def __init__(self, passages: Mapping[int, str]) -> None:
        self._passages = {number: _words(text) for number, text in passages.items()}
        self._sentence = ""
        self._held = ""
        self._fences = 0

    def feed(self, text: str) -> str:
        """What is certain by now."""
        text = self._held + text
        done, at = "", 0
        for end in ENDS.finditer(text):
            piece = text[at : end.end()]
            done += piece + self._mark(piece)
            at = end.end()
        rest = text[at:]
        tail = MAY_END.search(rest)
        cut = tail.start() if tail else len(rest)
        self._held = rest[cut:]
        self._sentence += rest[:cut]
        return done + rest[:cut]

    def finish(self) -> str:
        """What was held back, and the last sentence's number."""
        held, self._held = self._held, ""
        ending = held.rstrip()
        return ending + self._mark(ending) + held[len(ending) :]

    def _mark(self, piece: str) -> str:
        """What follows a sentence that ends with this piece."""
        sentence, self._sentence = self._sentence + piece, ""
        self._fences += sentence.count("```")
        if self._fences % 2 or "```" in sentence or CITED.search(sentence):
            return ""
        words = _words(sentence)
        if len(words) < FEWEST:
            return ""
        shared = {number: len(words & found) for number, found in self._passages.items()}
        best = max(shared, key=lambda number: (shared[number], -number), default=0)
        enough = max(FEWEST - 1, SHARE * len(words))
        return f" [{best}]" if best and shared[best] >= enough else ""


def _words(text: str) -> frozenset[str]:
    return frozenset(word[:STEM] for word in WORD.findall(text.casefold()))
