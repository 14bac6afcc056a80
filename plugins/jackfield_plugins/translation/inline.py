"""What in a sentence is not words: code, addresses, links, emphasis, numbers, symbols."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import regex

_SOLID = r"""
    (?P<code>(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))
  | (?P<math>\$\$.+?\$\$|\\\(.+?\\\)|\\\[.+?\\\])
  | (?P<image>!\[[^\]\n]*\]\([^)\n]*\))
  | (?P<mark>\[\^?\d+\](?!\())
  | (?P<tag></?[A-Za-z][^<>\n]*>|<!--.*?-->|<(?:https?://|mailto:)[^<>\s]+>)
"""
_PLAIN_SOLID = r"""
    (?P<url>(?:\b(?:https?|ftp)://|\bwww\.)[^\s<>"“”«»]*[^\s<>"“”«».,;:!?'’)\]*_~`])
  | (?P<mail>\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
  | (?P<option>(?<![\w-])--?[A-Za-z][\w-]*(?==)|(?<![\w-])--[A-Za-z][\w-]+)
  | (?P<name>\b\w+_\w+\b(?:\(\))?|\b\w+\(\))
  | (?P<number>(?<![\w.])[+-]?\d+(?:[.,:/\u00d7x-]\d+)+(?!\w))
  | (?P<symbol>(?:\p{Extended_Pictographic}[\uFE0F\u200D\U0001F3FB-\U0001F3FF]*
      |[\p{So}--°]|[→←↑↓⇒])+)
"""
_AROUND = r"""
    \[(?P<label>(?:[^\[\]\n]|\\.)+)\](?P<to>\([^()\s]*(?:\([^()\s]*\)[^()\s]*)?(?:\s+"[^"\n]*")?\)|\[[^\[\]\n]*\])
  | (?P<strong>\*{3}|\*{2}|__|~~)(?=[^\s*_~])(?P<loud>.+?)(?<=[^\s])(?P=strong)(?![*_~])
  | (?<![\w*])\*(?=[^\s*])(?P<starred>[^*\n]+?)(?<=[^\s*])\*(?![\w*])
  | (?<![\w_])_(?=[^\s_])(?P<lined>[^_\n]+?)(?<=[^\s_])_(?![\w_])
"""
_MARKDOWN = regex.compile(
    f"{_SOLID}|{_AROUND}|{_PLAIN_SOLID}", regex.VERBOSE | regex.DOTALL | regex.VERSION1
)
_TEXT = regex.compile(_PLAIN_SOLID, regex.VERBOSE | regex.VERSION1)
_INSIDE = ("label", "loud", "starred", "lined")
_ADDRESS = "label"
_LOOSE = ("image", "mark", "tag", "symbol")

LETTER = regex.compile(r"\p{L}")


class Item(msgspec.Struct, frozen=True):
    """Something in a sentence that is kept.

    Attributes:
        start, end: its place in the sentence.
        before, inside, after: what it is made of; ``inside`` is translated, the rest kept.
        light: it is emphasis, which may be given up where its words cannot be found again.
        nested: its inside has such things in it too.
        loose: it is no part of the sentence where it stands before or after the words.
    """

    start: int
    end: int
    before: str
    inside: str = ""
    after: str = ""
    light: bool = False
    nested: bool = False
    loose: bool = False


def items(text: str, *, markdown: bool = True) -> Iterator[Item]:
    """What is kept of a text, in order."""
    for match in (_MARKDOWN if markdown else _TEXT).finditer(text):
        group = next((name for name in _INSIDE if markdown and match[name] is not None), "")
        if group and LETTER.search(match[group]):
            begin, end = match.span(group)
            before, after = text[match.start() : begin], text[end : match.end()]
            nested = _MARKDOWN.search(match[group]) is not None
            yield Item(
                match.start(),
                match.end(),
                before,
                match[group],
                after,
                light=group != _ADDRESS and not nested,
                nested=nested,
            )
        else:
            loose = match.lastgroup in _LOOSE
            yield Item(match.start(), match.end(), match[0], loose=loose)
