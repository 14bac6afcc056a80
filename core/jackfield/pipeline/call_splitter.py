"""Takes calls of tools out of a reply as it comes."""

from __future__ import annotations

import secrets
import string

import msgspec

from jackfield.messages import Event, TextEvent, ToolCallPart
from jackfield.tools import ToolCallParser

LETTERS = string.ascii_letters + string.digits
ID_LENGTH = 9
"""Characters of a call's id; templates of Mistral's models refuse any other number."""


class CallSplitter:
    """Passes text on up to where a call begins and keeps what follows.

    Args:
        given: what the reply was made to begin with.
    """

    def __init__(self, parser: ToolCallParser, given: str = "") -> None:
        self._parser = parser
        self._held = given
        self._inside = bool(given)

    def feed(self, event: TextEvent) -> list[Event]:
        """The events that a piece of the reply makes."""
        if self._inside:
            self._held += event.text
            return []
        text = self._held + event.text
        places = [at for at in (text.find(mark) for mark in self._parser.opens) if at >= 0]
        if places:
            self._held, self._inside = text[min(places) :], True
            return [TextEvent(text[: min(places)])] if min(places) else []
        keep = self._beginning(text)
        self._held = text[len(text) - keep :]
        if not keep and text == event.text:
            return [event]
        passed = text[: len(text) - keep]
        return [TextEvent(passed, event.logprobs)] if passed or event.logprobs else []

    def finish(self) -> tuple[list[Event], list[ToolCallPart]]:
        """What was held back at the end of the reply: text, or calls."""
        held, self._held = self._held, ""
        calls = list(self._parser.parse(held)) if self._inside else []
        if calls:
            return [], [_with_id(call) for call in calls]
        return [TextEvent(held)] if held else [], []

    def _beginning(self, text: str) -> int:
        """How many characters at the end may be the beginning of a call."""
        longest = 0
        for mark in self._parser.opens:
            for size in range(min(len(mark) - 1, len(text)), longest, -1):
                if text.endswith(mark[:size]):
                    longest = size
                    break
        return longest


def _with_id(call: ToolCallPart) -> ToolCallPart:
    if call.id:
        return call
    return msgspec.structs.replace(
        call, id="".join(secrets.choice(LETTERS) for _ in range(ID_LENGTH))
    )
