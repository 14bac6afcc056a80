"""A message's text as Streamlit's Markdown shows it best, whole or as it streams.

Code stays as it is. Outside of code, pictures become links (the page must not fetch anything from
outside), amounts of money stay text though ``$`` begins a formula, LaTeX's own brackets become
dollars, and Streamlit's colours and symbols are not taken from a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_BEFORE = (
    r"[ \t]*(?:>[ \t]*|(?:[-*+]|\d{1,3}[.)])[ \t]+)*"  # code may stand in lists and quotations
)
_FENCE = re.compile(rf"{_BEFORE}(`{{3,}}|~{{3,}})")
_MAYBE_FENCE = re.compile(rf"{_BEFORE}(?:>|[-*+]|\d{{1,3}}[.)]?|`{{1,2}}|~{{1,2}})?")
MOST_SPACES = 3
"""Before code that is in no list; more would make it code of another kind."""
_CLOSED = re.compile(r"[ \t>]*(`{3,}|~{3,})\s*")
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
        self._indent = 0  # lines that are indented less end the list item that the code is in
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
        self._leave_item(text)
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
        self._leave_item(text)
        begins, self._at_line_start = self._at_line_start, False
        if begins and self.in_code:
            if (closed := _CLOSED.fullmatch(text)) and closed[1].startswith(self.in_code):
                self.in_code = ""
            return text
        if begins and (fence := _FENCE.match(text)):
            mark = fence[1]
            if mark[0] == "~" or "`" not in text[fence.end() :]:
                self.in_code = mark
                self._indent = _indent(fence)
                return text
        return text if self.in_code else _outside_code(text)

    def _leave_item(self, text: str) -> None:
        """See whether a line is outside of the list item that code began in."""
        if self._at_line_start and self.in_code and text.strip():
            spaces = text.expandtabs(4)
            if len(spaces) - len(spaces.lstrip(" ")) < self._indent:
                self.in_code = ""


def _indent(fence: re.Match[str]) -> int:
    """How far code is indented that must be in a list item; 0 if it need not be in one."""
    before = fence[0].expandtabs(4)[: -len(fence[1])]
    if ">" in before or (len(before) <= MOST_SPACES and not before.strip()):
        return 0
    return len(before)


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
