"""Which entries of a character's lore come up in a conversation, and why."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import msgspec
import regex

from jackfield import Character, LoreEntry, Message

from .decorators import Decorated, decorated
from .macros import Names, filled

SLOWEST = 0.1
"""Seconds that one regular expression may take with one message."""
TOGETHER = 1.0
"""Seconds that all of them may take in one turn."""
LONGEST = 2000
"""Characters of a regular expression at most."""
FLAGS = {"i": regex.IGNORECASE, "s": regex.DOTALL, "m": regex.MULTILINE}
WRAPPED = regex.compile(r"/(.+)/([a-z]*)", regex.DOTALL)
UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]|\W")
"""Words that begin so need not stand at the beginning of a word: nothing marks it."""


class Text(msgspec.Struct, frozen=True):
    """A text that may bring up lore.

    Attributes:
        place: where it stands, in words.
        folded: the text for a comparison in which case does not count.
    """

    place: str
    plain: str
    folded: str


class Told(msgspec.Struct, frozen=True):
    """An entry that came up.

    Attributes:
        text: what the model is told.
        why: what brought it up, for the user.
    """

    entry: LoreEntry
    text: str
    at_start: bool
    why: str


class Lorebook:
    """Looks for what brings up a character's lore, once for one turn.

    Attributes:
        problems: what could not be looked for, in sentences.
    """

    def __init__(
        self, character: Character, names: Names, *, scan_depth: int, greeting: int = 0
    ) -> None:
        self._entries = [
            (entry, decorated(entry.text)) for entry in character.lore if entry.enabled
        ]
        self._recursive = character.recursive
        self._scan_depth = character.scan_depth or scan_depth
        self._names = names
        self._greeting = greeting
        self._until = 0.0
        self.problems: list[str] = []

    def told(self, messages: Sequence[Message]) -> list[Told]:
        """Entries that come up, those to be told first first."""
        self._until = time.monotonic() + TOGETHER
        spoken = [one.text for one in messages if one.role in ("user", "assistant")]
        replies = sum(one.role == "assistant" for one in messages)
        texts = [_text(_place(back), text) for back, text in enumerate(reversed(spoken))]
        found: list[Told] = []
        rest: list[tuple[LoreEntry, Decorated]] = []
        for entry, asked in self._entries:
            if not asked.text.strip() or not self._may(asked, replies):
                continue
            depth = asked.scan_depth or self._scan_depth
            if why := self._why(entry, asked, texts[:depth]):
                found.append(self._told(entry, asked, why))
            else:
                rest.append((entry, asked))
        if self._recursive:
            lore = [_text(f"lore {_name(one.entry)}", one.text) for one in found]
            again = ((*one, self._why(*one, lore)) for one in rest)
            found += [self._told(entry, asked, why) for entry, asked, why in again if why]
        return sorted((one for one in found if one.text), key=lambda one: one.entry.order)

    def _told(self, entry: LoreEntry, asked: Decorated, why: str) -> Told:
        at_start = entry.at_start if asked.before is None else asked.before
        return Told(entry, filled(asked.text, self._names).strip(), at_start, why)

    def _may(self, asked: Decorated, replies: int) -> bool:
        """Whether the decorators let an entry come up at all."""
        return not (
            asked.activate is False
            or (asked.only_after is not None and replies < asked.only_after)
            or (asked.only_every is not None and replies % asked.only_every)
            or (asked.greeting is not None and asked.greeting != self._greeting)
        )

    def _why(self, entry: LoreEntry, asked: Decorated, texts: Sequence[Text]) -> str:
        """Why an entry comes up; "" if it does not."""
        if asked.activate:
            return "told in any case"
        find = partial(self._find, entry, texts)
        if asked.exclude_keys and not entry.regex and find(asked.exclude_keys):
            return ""
        if not all(find(keys) for keys in asked.additional_keys):
            return ""
        if entry.constant and not entry.regex:
            return "always told"
        first = find(entry.keys)
        if not first or entry.regex or not entry.secondary_keys:
            return first
        second = find(entry.secondary_keys)
        return f"{first}; {second}" if second else ""

    def _find(self, entry: LoreEntry, texts: Sequence[Text], keys: Sequence[str]) -> str:
        """The first of the keys that is in one of the texts, in words."""
        for key in keys:
            wanted = filled(key, self._names).strip()
            if not wanted:
                continue
            pattern = self._pattern(entry, wanted) if entry.regex else None
            if entry.regex and pattern is None:
                continue
            for text in texts:
                if pattern is not None:
                    is_there = self._timed(entry, pattern, text.plain)
                else:
                    is_there = _is_in(wanted, text, entry.case_sensitive)
                if is_there:
                    return f"{key!r} in {text.place}"
        return ""

    def _pattern(self, entry: LoreEntry, key: str) -> regex.Pattern[str] | None:
        """A key that is a regular expression, as ``/.../flags`` or plain; None if it is none."""
        flags = 0 if entry.case_sensitive else regex.IGNORECASE
        if wrapped := WRAPPED.fullmatch(key):
            key = wrapped[1]
            flags = sum(FLAGS.get(letter, 0) for letter in set(wrapped[2]))
        try:
            if len(key) > LONGEST:
                raise regex.error(f"it is longer than {LONGEST} characters")
            return regex.compile(key, flags)
        except (regex.error, OverflowError, RecursionError) as error:
            self._complain(entry, f"is no regular expression ({error})", key)
            return None

    def _timed(self, entry: LoreEntry, pattern: regex.Pattern[str], text: str) -> bool:
        """Look for a regular expression, for a limited time."""
        left = min(self._until - time.monotonic(), SLOWEST)
        try:
            return left > 0 and bool(pattern.search(text, timeout=left, concurrent=True))
        except TimeoutError:
            self._complain(entry, "takes too long and was passed over", pattern.pattern)
            return False

    def _complain(self, entry: LoreEntry, what: str, key: str) -> None:
        words = f"In the lore {_name(entry)} the key {key[:80]!r} {what}."
        if words not in self.problems:
            self.problems.append(words)


def _text(place: str, text: str) -> Text:
    return Text(place, text, text.casefold())


def _place(back: int) -> str:
    return "the last message" if back == 0 else f"the message {back} before the last"


def _is_in(key: str, text: Text, case_sensitive: bool) -> bool:
    """Whether a key begins a word of a text."""
    key, within = (key, text.plain) if case_sensitive else (key.casefold(), text.folded)
    at = within.find(key)
    anywhere = at > 0 and UNSPACED.match(key) is not None
    while at >= 0:
        if at == 0 or anywhere or not (within[at - 1].isalnum() or within[at - 1] == "_"):
            return True
        at = within.find(key, at + 1)
    return False


def _name(entry: LoreEntry) -> str:
    """What the user knows an entry by."""
    return repr(entry.name or (entry.keys[0] if entry.keys else entry.text[:30]))
