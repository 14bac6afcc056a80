"""What stands in double braces in the texts of a character: names, chance, comments."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import regex

if TYPE_CHECKING:
    from jackfield import Character

MACRO = regex.compile(r"\{\{([^{}]*)\}\}")
TAG = regex.compile(r"<(bot|char|user)>", regex.IGNORECASE)
COMMA = regex.compile(r"(?<!\\),")
DEEPEST = 4
"""How deep they may stand within one another."""


class Names(msgspec.Struct, frozen=True):
    """Who talks with whom."""

    char: str
    user: str

    @classmethod
    def of(cls, character: Character, user: str) -> Names:
        """The names of a character and a user."""
        return cls(character.nickname or character.name, user)


def filled(text: str, names: Names) -> str:
    """A text with its macros replaced, in any case; unknown ones stay.

    Those of Character Card V3, and ``<BOT>``, ``<CHAR>`` and ``<USER>``.
    """
    if "<" in text:
        text = TAG.sub(lambda tag: names.user if tag[1].lower() == "user" else names.char, text)
    for _ in range(DEEPEST if "{{" in text else 0):
        changed = MACRO.sub(lambda macro: _value(macro, names), text)
        if changed == text:
            break
        text = changed
    return text


def _value(macro: regex.Match[str], names: Names) -> str:
    inside = macro[1].strip()
    name, _, value = inside.partition(":")
    name = name.strip().lower()
    if inside.startswith("//") or name in ("comment", "hidden_key"):
        return ""
    if not value:
        return {"char": names.char, "user": names.user}.get(name, macro[0])
    if name == "reverse":
        return value[::-1]
    if name == "roll":
        sides = value.strip().lower().removeprefix("d")
        return str(random.randint(1, int(sides))) if _is_count(sides) else macro[0]
    if name in ("random", "pick"):
        # The same pick for the same text, as long as it is the same character's.
        chance = random.Random(f"{names.char}\n{value}") if name == "pick" else random.Random()
        choices = COMMA.split(value.removeprefix(":"))
        return chance.choice(choices).replace("\\,", ",").strip()
    return macro[0]


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text) > 0
