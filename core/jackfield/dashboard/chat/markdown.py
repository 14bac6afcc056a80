"""A message's text as Streamlit's Markdown shows it best, whole or as it streams.

Code stays as it is. Outside of code, pictures become links (the page must not fetch anything from
outside), amounts of money stay text though ``$`` begins a formula, LaTeX's own brackets become
dollars, and Streamlit's colours and symbols are not taken from a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_MAYBE_FENCE = re.compile(r" {0,3}(`{0,2}|~{0,2})")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_PLAIN = re.compile(
    r"(?P<picture>!\[)"
    r"|(?P<money>\$(?=\d[\d.,]*(?:[kKMB]?(?![\w$.,\\^{}=+*/-])|[.,](?!\d)|[/-](?:[a-z]{2}|\d|\$\d))))"
    r"|(?P<colour>:(?=[a-z][a-z-]*\[|material/))"
    r"|\\(?P<bracket>[()\[\]])"
)
_UNDECIDED = re.compile(r"(?:\$\d\S*|`.*|!|\$|:[a-z-]*|\\)?$")
_BRACKETS = {"(": "$", ")": "$", "[": "$$", "]": "$$"}


class MarkdownStream:
    """Turns pieces of a text into pieces of Markdown; put together they are the whole's."""

    def __init__(self) -> None:
        self._held = ""
        self.in_code = ""
        self._at_line_start = True

    def feed(self, piece: str) -> str:
        """The Markdown that is certain by now."""
        *lines, rest = (self._held + piece).split("\n")
        done = "".join(self.line(line) + "\n" for line in lines)
        ready, self._held = self._split(rest)
        return done + self._part(ready)

    def end(self) -> str:
        """What was held back."""
        return self.line(self._held)

    def line(self, text: str) -> str:
        """A whole line, or the rest of one, without its end."""
        shown = self._part(text)
        self._at_line_start = True
        return shown

    def _split(self, text: str) -> tuple[str, str]:
        """An unfinished line cut before what depends on the characters to come."""
        if self._at_line_start and (_MAYBE_FENCE.fullmatch(text) or _FENCE.match(text)):
            return "", text
        if self.in_code:
            return text, ""
        blanked = _CODE.sub(lambda found: "x" * len(found[0]), text)
        if blanked.endswith("x") and text.endswith("`"):
            return "", text  # another backtick would make it other code
        undecided = _UNDECIDED.search(blanked)  # matches nothing at the end, if nothing is
        at = undecided.start() if undecided else len(text)
        return text[:at], text[at:]

    def _part(self, text: str) -> str:
        if not text:
            return ""
        if self._at_line_start and (fence := _FENCE.match(text)):
            mark = fence[1]
            if not self.in_code:
                self.in_code = mark
            elif mark.startswith(self.in_code) and not text[fence.end() :].strip():
                self.in_code = ""
            self._at_line_start = False
            return text
        self._at_line_start = False
        return text if self.in_code else _outside_code(text)


def markdown(text: str) -> str:
    """A whole text as Markdown."""
    stream = MarkdownStream()
    return "\n".join(map(stream.line, text.split("\n")))


def markdown_pieces(pieces: Iterable[str]) -> Iterator[str]:
    """A streamed text as Markdown; empty pieces are left out."""
    stream = MarkdownStream()
    for piece in pieces:
        if shown := stream.feed(piece):
            yield shown
    if rest := stream.end():
        yield rest


def as_typed(text: str) -> str:
    """What a person typed: its line breaks are kept, which Markdown would join."""
    shown: list[str] = []
    stream = MarkdownStream()
    lines = text.split("\n")
    for number, line in enumerate(lines):
        inside = bool(stream.in_code)
        drawn = stream.line(line)
        plain = not inside and not stream.in_code and line.strip() and number + 1 < len(lines)
        shown.append(drawn + "  " if plain else drawn)
    return "\n".join(shown)


def _outside_code(text: str) -> str:
    shown = []
    at = 0
    for code in _CODE.finditer(text):
        shown += [_PLAIN.sub(_replaced, text[at : code.start()]), code[0]]
        at = code.end()
    return "".join([*shown, _PLAIN.sub(_replaced, text[at:])])


def _replaced(found: re.Match[str]) -> str:
    if bracket := found["bracket"]:
        return _BRACKETS[bracket]
    return "\\" + found[0]
