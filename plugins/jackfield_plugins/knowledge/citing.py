"""Citations set right: at the end of their sentences, and of passages that have its words.

Small models forget them, put them first, or take a wrong number.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import regex

MARK = regex.compile(r"\[(?P<number>\d{1,3})\]|(?P<end>[.!?…]+[\"'”’)*_]*(?=\s+[^\s\[])|(?=\n))")
HELD = regex.compile(r"[.!?…]+[\"'”’)*_]*\s*(?:\[\d{0,3})?$|\s*\[\d{0,3}$|\s+$")
"""What may be the beginning of a mark."""
OVER = regex.compile(r"[.!?…][\"'”’)*_]*\s*$")
WORD = regex.compile(r"\p{L}{4,}|\d+")
STEM = 6
"""Letters of a word that count, so that its forms are alike."""
SHARE = 0.6
"""Part of a sentence's words that a passage must have."""
FEWEST = 3
"""Words that a sentence must have, and share with a passage less one."""


class Citer:
    """Sets citations (``[n]``) of a reply right as it comes; code stays as it is.

    A sentence without one gets the passage's that has most of its words. One before a sentence is
    moved behind it. One of a passage that lacks the sentence's words becomes one of that which has
    them, if there is one. One of nothing is left out.

    Args:
        passages: texts by their numbers.
        others: numbers of other sources, whose citations stay as they are.
    """

    def __init__(self, passages: Mapping[int, str], others: Collection[int] = ()) -> None:
        self._passages = {number: _words(text) for number, text in passages.items()}
        self._others = others
        self._held = ""
        self._sentence = ""  # as far as it has come, without citations
        self._cited = False
        self._leading = 0  # the citation that stood before the sentence
        self._bare = False  # one that stood there was left out
        self._closed = False  # a citation has just ended the sentence before
        self._fences = 0

    def feed(self, text: str) -> str:
        """What is certain by now."""
        text = self._held + text
        tail = HELD.search(text)
        cut = tail.start() if tail else len(text)
        done, at = "", 0
        for mark in MARK.finditer(text):
            if mark.start() >= cut:
                break
            before = text[at : mark.start()]
            if mark["number"] is None:
                done += self._say(before + mark[0]) + self._end()
            elif self._is_of_nothing(int(mark["number"]), before):
                done += self._leave_out(before)
            else:
                done += self._say(before) + self._cite(int(mark["number"]), mark[0])
            at = mark.end()
        self._held = text[max(at, cut) :]
        return done + self._say(text[at:cut])

    def finish(self) -> str:
        """What was held back, and the last sentence's number."""
        held, self._held = self._held, ""
        ending = held.rstrip()
        return self._say(ending) + self._end() + held[len(ending) :]

    def _say(self, text: str) -> str:
        if not text:
            return ""
        if (self._leading or self._bare) and not self._sentence:
            text = text.lstrip(" ")
        if text.strip():
            self._closed = self._bare = False
        self._sentence += text if self._sentence else text.lstrip()
        return text

    def _is_of_nothing(self, number: int, before: str) -> bool:
        """Whether a citation is of no source; a number that is part of a word is none."""
        apart = before[-1:].isspace() if before else not self._sentence
        known = number in self._passages or number in self._others
        return apart and not known and not self._code()

    def _leave_out(self, before: str) -> str:
        begins = not self._sentence and not before.strip()
        said = self._say(before if begins else before.rstrip(" "))
        if OVER.search(self._sentence):
            said += self._end()
        self._bare = begins
        return said

    def _cite(self, number: int, written: str) -> str:
        """What is written where the model cites."""
        if self._code() or number not in self._passages:
            return self._say(written)
        if not self._sentence:
            if not self._closed:
                self._leading = self._leading or number
                return ""
            return written
        over = OVER.search(self._sentence)
        if over and self._leading:  # it is that of the next sentence
            said = self._end().lstrip()
            self._leading = number
            return f"{said} "
        self._cited = True
        right = f"[{self._right(number)}]"
        if over:
            self._begin()
            self._closed = True
        return right

    def _end(self) -> str:
        """What follows a sentence that ends here."""
        self._fences += self._sentence.count("```")
        number = 0
        if not self._cited and not self._fences % 2 and "```" not in self._sentence:
            number = self._right(self._leading)
        self._begin()
        return f" [{number}]" if number else ""

    def _begin(self) -> None:
        self._sentence, self._cited, self._leading = "", False, 0

    def _code(self) -> bool:
        return bool((self._fences + self._sentence.count("```")) % 2)

    def _right(self, number: int) -> int:
        """The passage that a sentence is from: the one cited, unless another has its words."""
        words = _words(self._sentence)
        if len(words) < FEWEST:
            return number
        shared = {one: len(words & found) for one, found in self._passages.items()}
        enough = max(FEWEST - 1, SHARE * len(words))
        best = max(shared, key=lambda one: (shared[one], -one), default=0)
        if not best or shared[best] < enough or shared.get(number, 0) >= enough:
            return number
        return best


def _words(text: str) -> frozenset[str]:
    return frozenset(word[:STEM] for word in WORD.findall(text.casefold()))
