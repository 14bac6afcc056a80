"""Text out of the bytes of tokens: whole characters, and nothing of a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """Takes the bytes of token after token and gives the text that is certain.

    Attributes:
        stopped: a stop string has come; nothing follows.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.stopped = False
        self._stops = [stop for stop in stops if stop]
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""

    def feed(self, data: bytes) -> str:
        """The text that these bytes make certain, "" while they may begin a stop string."""
        return self.add(self._decoder.decode(data))

    def add(self, more: str) -> str:
        """The text that this makes certain; once stopped, none."""
        if self.stopped:
            return ""
        text = self._pending + more
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._pending = ""
            return text[: min(found)]
        kept = max((_overlap(text, stop) for stop in self._stops), default=0)
        certain = len(text) - kept
        self._pending = text[certain:]
        return text[:certain]

    def flush(self) -> str:
        """What was held back, once no stop string can follow; half a character is dropped."""
        text, self._pending = self._pending, ""
        return text


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that ``stop`` begins with."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0
