"""Typographic quotes, dashes and ellipses: made plain on the way in, made fine on the way out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Literal

from jackfield import Event, Field, Plugin, TextEvent, hookimpl

PLAIN = str.maketrans(
    {
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "‘": "'",
        "’": "'",
        "‚": "'",
        "–": "-",
        "—": "--",
        "…": "...",
        "\u00a0": " ",
        "\u202f": " ",
        "\u200b": "",
        "\u00ad": "",
    }
)
QUOTES = {
    "English": ("“", "”", "‘", "’"),
    "German": ("„", "“", "‚", "‘"),
    "French": ("«\u202f", "\u202f»", "‹\u202f", "\u202f›"),
}
CODE = re.compile(r"(?<!`)(?:(`+)(?!`).*?(?<!`)\1(?!`)|`{3,}(?!`).*\Z)", re.DOTALL)
"""A span or block of code between backticks; a block may be open at the end."""
OPENING = " \t\n([{—–-"


class Typography(Plugin):
    """Makes pasted quotation marks and dashes plain for the model, and those of replies fine."""

    enabled_by_default = False

    class Config(Plugin.Config):
        """Options of the typography."""

        plain_input: bool = Field(
            True, description="Replace typographic characters in your messages, except in code"
        )
        fine_replies: Literal["off", "English", "German", "French"] = Field(
            "off", description="Typographic quotation marks in replies, except in code"
        )

    @hookimpl
    def jackfield_transform_input(self, text: str) -> str | None:
        """Plain characters outside code."""
        return plain(text) if self.config.plain_input else None

    @hookimpl
    def jackfield_filter_stream(self, events: AsyncIterator[Event]) -> AsyncIterator[Event] | None:
        """Fine characters as the reply streams."""
        style = self.config.fine_replies
        return None if style == "off" else _refined(events, Typesetter(style))


def plain(text: str) -> str:
    """A text with plain characters outside of code."""
    pieces, at = [], 0
    for code in CODE.finditer(text):
        pieces += [text[at : code.start()].translate(PLAIN), code[0]]
        at = code.end()
    return "".join([*pieces, text[at:].translate(PLAIN)])


class Typesetter:
    """Turns straight quotes into typographic ones, piece by piece; code stays as it is."""

    def __init__(self, style: str) -> None:
        self._quotes = QUOTES[style]
        self._before = "\n"
        self._fence = ""
        self._ticks = ""
        self._inner_is_open = False
        self._waits = False  # for the letter that tells an apostrophe from a closing quote

    def feed(self, text: str) -> str:
        """The next piece, less a mark that depends on what follows."""
        return "".join(self._settled(character) + self._set(character) for character in text)

    def finish(self) -> str:
        """The mark that was held back."""
        return self._settled("")

    def _settled(self, following: str) -> str:
        if not self._waits:
            return ""
        self._waits = False
        if following.isalpha():
            self._before = "’"
            return "’"
        self._inner_is_open = False
        self._before = self._quotes[3]
        return self._before

    def _set(self, character: str) -> str:
        if character == "`":
            self._ticks += character
            self._before = character
            return character
        if self._ticks:
            self._fence = "" if self._fence == self._ticks else self._fence or self._ticks
            self._ticks = ""
        if character == self._before == "\n" and len(self._fence) < 3:
            self._fence = ""  # a paragraph ends, and no span of code goes on after it
        fine = character if self._fence else self._fine(character)
        self._before = fine or self._before
        return fine

    def _fine(self, character: str) -> str:
        opens, closes, opens_inner, _ = self._quotes
        at_start = self._before in OPENING or self._before in (opens, opens_inner)
        if character == '"':
            return opens if at_start else closes
        if character != "'":
            return character
        if at_start:
            self._inner_is_open = True
            return opens_inner
        self._waits = self._inner_is_open
        return "" if self._waits else "’"


async def _refined(events: AsyncIterator[Event], setter: Typesetter) -> AsyncIterator[Event]:
    async for event in events:
        if isinstance(event, TextEvent):
            yield TextEvent(setter.feed(event.text), event.logprobs)
            continue
        if rest := setter.finish():
            yield TextEvent(rest)
        yield event
    if rest := setter.finish():
        yield TextEvent(rest)
