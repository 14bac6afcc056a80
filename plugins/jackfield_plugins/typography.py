"""Typographic quotes, dashes and ellipses: made plain on the way in, made fine on the way out."""

from __future__ import annotations

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
        if not self.config.plain_input:
            return None
        parts = text.split("`")
        return "`".join(
            part if index % 2 else part.translate(PLAIN) for index, part in enumerate(parts)
        )

    @hookimpl
    def jackfield_filter_stream(self, events: AsyncIterator[Event]) -> AsyncIterator[Event] | None:
        """Fine characters as the reply streams."""
        style = self.config.fine_replies
        return None if style == "off" else _refined(events, Typesetter(style))


class Typesetter:
    """Turns straight quotes into typographic ones, piece by piece; code stays as it is."""

    def __init__(self, style: str) -> None:
        self._quotes = QUOTES[style]
        self._before = "\n"
        self._fence = ""
        self._ticks = ""
        self._inner_is_open = False

    def feed(self, text: str) -> str:
        """The next piece; as long as the input, save where a quotation mark takes a space."""
        return "".join(self._character(character) for character in text)

    def _character(self, character: str) -> str:
        if character == "`":
            self._ticks += character
            self._before = character
            return character
        if self._ticks:
            self._fence = "" if self._fence == self._ticks else self._fence or self._ticks
            self._ticks = ""
        fine = character if self._fence else self._fine(character)
        self._before = character
        return fine

    def _fine(self, character: str) -> str:
        opens, closes, opens_inner, closes_inner = self._quotes
        at_start = self._before in OPENING or self._before in opens
        if character == '"':
            return opens if at_start else closes
        if character == "'":
            if self._inner_is_open:
                self._inner_is_open = False
                return closes_inner
            if not at_start:
                return "’"
            self._inner_is_open = True
            return opens_inner
        return character


async def _refined(events: AsyncIterator[Event], setter: Typesetter) -> AsyncIterator[Event]:
    async for event in events:
        if isinstance(event, TextEvent):
            yield TextEvent(setter.feed(event.text), event.logprobs)
        else:
            yield event
