"""Translates sentences so that what is not words comes through as it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

import msgspec

from jackfield_plugins.translation.inline import LETTER, Item, items

Translate = Callable[[list[str]], list[str]]

STANDS_IN = "XQ"
"""What stands for something that is kept, with a number: engines take it for a name."""
FIRST_NUMBER = 371
"""And for a number: engines write numbers of three digits as they are, but small ones in words."""
ALIKE = 0.8
"""How alike words have to be, from 0 to 1, to be taken for forms of the same."""
LABELLED = re.compile(r"\s*(?::|[-–—](?=\s))?\s*")
NUMBER = re.compile(r"\d+")
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def translated(sentences: Sequence[str], translate: Translate, *, markdown: bool) -> list[str]:
    """Translate sentences, keeping code, addresses, numbers, emphasis and the like.

    Each is tried as a whole first: with emphasis and links taken off and laid round the same words
    of the translation. Emphasis whose words cannot be found is given up. Where a link cannot be
    laid or something got lost, names stand for all that is kept. Where even those get lost, what
    lies between them is translated piece by piece.
    """
    parts = [_parts(text, markdown=markdown) for text in sentences]
    said = iter(_translated([part for many in parts for part in many], translate, markdown))
    return ["".join(next(said) for _ in many) for many in parts]


def _parts(text: str, *, markdown: bool) -> list[str]:
    """A sentence, with a label like ``**Note:**`` before it by itself."""
    first = next(items(text, markdown=markdown), None) if text.startswith(("*", "_")) else None
    if first is not None and first.start == 0 and first.inside:
        after = LABELLED.match(text, first.end)
        if after is not None and (first.inside.rstrip().endswith(":") or after[0].strip()):
            return [text[: after.end()], text[after.end() :]]
    return [text]


def _translated(sentences: list[str], translate: Translate, markdown: bool) -> list[str]:
    todo = [_Sentence(text, markdown=markdown) for text in sentences]
    inner = [item.inside for one in todo for item in one.inside()]
    if inner:
        said = iter(translated(inner, translate, markdown=markdown))
        for one in todo:
            one.inner = [next(said) for _ in one.inside()]
    for attempt in (_Sentence.unwrapped, _Sentence.named):
        _try(todo, attempt, translate)
    pieces = [one.pieces() for one in todo if not one.done]
    texts = [text for many in pieces for text in many if LETTER.search(text)]
    spoken = iter(_said(texts, translate))
    for one, many in zip([one for one in todo if not one.done], pieces, strict=True):
        one.done = one.joined([next(spoken) if LETTER.search(t) else t for t in many])
    return [one.done for one in todo]


class _Attempt(msgspec.Struct):
    """What is given to the engine, and what makes a translation of it whole again."""

    text: str
    restore: Callable[[str], str]


def _try(
    todo: list[_Sentence], attempt: Callable[[_Sentence], _Attempt], translate: Translate
) -> None:
    """Translate those that are not done yet; the others stay as they are."""
    asked = [(one, attempt(one)) for one in todo if not one.done]
    texts = [made.text for _, made in asked]
    for (one, made), said in zip(asked, _said(texts, translate), strict=True):
        one.done = made.restore(said)


def _said(texts: list[str], translate: Translate) -> list[str]:
    """Translations without a full stop that the engine has added."""
    said = []
    for text, made in zip(texts, translate(texts) if texts else [], strict=True):
        made = made.strip() or text
        ended = text[-1:].isalnum() and made.endswith(".") and not made.endswith("..")
        said.append(made[:-1].rstrip() if ended else made)
    return said


class _Sentence:
    """A sentence being translated.

    Attributes:
        inner: the translations of what stands in its emphasis and links.
        done: the translation, "" until there is one.
    """

    def __init__(self, text: str, *, markdown: bool) -> None:
        found = list(items(text, markdown=markdown))
        begin, end = _core(text, found)
        self._before, self._text, self._after = text[:begin], text[begin:end], text[end:]
        self._items = [
            msgspec.structs.replace(one, start=one.start - begin, end=one.end - begin)
            for one in found
            if begin <= one.start and one.end <= end
        ]
        self._markdown = markdown
        self._name = STANDS_IN
        while self._name in text:
            self._name += "Z"
        self.inner: list[str] = []
        self.done = "" if LETTER.search(self._text) else text

    def inside(self) -> list[Item]:
        """The items whose text is translated too."""
        return [] if self.done else [one for one in self._items if one.inside]

    def unwrapped(self) -> _Attempt:
        """Without the marks of emphasis and links; names stand for the rest that is kept."""
        names: dict[str, str] = {}
        inner = iter(self.inner)
        pieces, at = [], 0
        for one in self._items:
            inside = next(inner) if one.inside else ""
            pieces.append(self._text[at : one.start])
            if one.inside and not one.nested:
                pieces.append(one.inside)
            else:
                name = self._name + str(len(names) + 1)
                names[name] = one.before + inside + one.after
                pieces.append(name)
            at = one.end
        text = "".join([*pieces, self._text[at:]])
        return _Attempt(text, lambda said: self._unwrapped(text, names, said))

    def named(self) -> _Attempt:
        """With a name for each thing that is kept, numbers too; emphasis is given up."""
        made = self._alternating()
        names: dict[str, str] = {}
        number = FIRST_NUMBER
        for at in range(1, len(made), 2):
            if NUMBER.fullmatch(made[at]):
                while str(number) in self._text:
                    number += 1
                name, number = str(number), number + 1
            else:
                name = self._name + str(at // 2 + 1)
            names[name], made[at] = made[at], name
        text = "".join(made)
        return _Attempt(text, lambda said: self._filled(text, names, said))

    def pieces(self) -> list[str]:
        """What lies between the things that are kept."""
        return self._alternating()[::2]

    def joined(self, said: Sequence[str]) -> str:
        """The translated pieces with what is kept between them."""
        made = self._alternating()
        for at, text in enumerate(said):
            source = made[2 * at]
            bare = source.strip()
            made[2 * at] = source.replace(bare, text.strip()) if bare else source
        return self._before + "".join(made) + self._after

    def _alternating(self) -> list[str]:
        """Words and what is kept, in turn; words come first and last."""
        inner = iter(self.inner)
        spans = []
        for one in self._items:
            inside = next(inner) if one.inside else ""
            if not one.light:
                spans.append((one.start, one.end, one.before + inside + one.after))
        light = [one for one in self._items if one.light]
        marks = [(one.start, one.start + len(one.before)) for one in light]
        marks += [(one.end - len(one.after), one.end) for one in light]
        for number in NUMBER.finditer(self._text):
            if not any(start < number.end() and number.start() < end for start, end, _ in spans):
                spans.append((number.start(), number.end(), number[0]))
        made, at = [], 0
        for start, end, kept in [*sorted(spans), (len(self._text), 0, "")]:
            made += [self._bare(at, start, marks), kept]
            at = end
        return made[:-1]

    def _bare(self, begin: int, end: int, marks: list[tuple[int, int]]) -> str:
        """A part of the text without the marks of emphasis in it."""
        dropped = {at for start, stop in marks for at in range(start, stop)}
        return "".join(self._text[at] for at in range(begin, end) if at not in dropped)

    def _unwrapped(self, text: str, names: dict[str, str], said: str) -> str:
        """The translation with marks and names put back; "" if a link has no place."""
        laid: list[tuple[int, int, Item]] = []
        for item, inner in zip(self.inside(), self.inner, strict=True):
            if item.nested:
                continue
            span = _found(inner, said, [(begin, end) for begin, end, _ in laid])
            if span is not None:
                laid.append((*span, item))
            elif not item.light:
                return ""
        for begin, end, item in sorted(laid, key=lambda one: -one[0]):
            said = said[:begin] + item.before + said[begin:end] + item.after + said[end:]
        return self._filled(text, names, said)

    def _filled(self, text: str, names: dict[str, str], said: str) -> str:
        """The translation with what the names stand for; "" if something got lost."""
        any_name = re.compile("|".join(rf"(?<!\d){name}(?!\d)" for name in names) or "(?!)")
        if Counter(any_name.findall(said)) != Counter(names.keys()):
            return ""
        if self._numbers(any_name.sub("", text)) != self._numbers(any_name.sub("", said)):
            return ""
        said = any_name.sub(lambda match: names[match[0]], said)
        return self._before + said.strip() + self._after

    def _numbers(self, text: str) -> Counter[str]:
        """Numbers of a text, those in addresses of its links left out."""
        for item in self._items:
            if item.inside:
                text = text.replace(item.before, " ").replace(item.after, " ")
        return Counter(NUMBER.findall(text))


def _core(text: str, found: list[Item]) -> tuple[int, int]:
    """Where the words of a sentence begin and end, with the marks that belong to them."""
    begin, end = 0, len(text)
    for one in found:
        if not one.loose or text[begin : one.start].strip():
            break
        begin = one.end
    for one in reversed(found):
        if not one.loose or one.start < begin or text[one.end : end].strip():
            break
        end = one.start
    while begin < end and text[begin].isspace():
        begin += 1
    while begin < end and text[end - 1].isspace():
        end -= 1
    return begin, end


def _found(inner: str, said: str, taken: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Where the words of some text stand in a translation, perhaps in other forms.

    Args:
        taken: places where they cannot stand.
    """
    wanted = [word[0].lower() for word in WORD.finditer(inner)]
    words = list(WORD.finditer(said))
    if not wanted or len(wanted) > len(words):
        return None
    best, place = 0.0, 0
    for at in range(len(words) - len(wanted) + 1):
        these = [word[0].lower() for word in words[at : at + len(wanted)]]
        start, stop = words[at].start(), words[at + len(wanted) - 1].end()
        if any(begin < stop and start < end for begin, end in taken):
            continue
        alike = SequenceMatcher(None, " ".join(wanted), " ".join(these), autojunk=False).ratio()
        if alike > best:
            best, place = alike, at
    if best < ALIKE:
        return None
    end = words[place + len(wanted) - 1].end()
    while said[end : end + 1] and said[end] in ".!?:;" and inner.rstrip()[-1:] == said[end]:
        end += 1
    return words[place].start(), end
