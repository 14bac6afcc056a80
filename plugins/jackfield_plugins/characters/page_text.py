"""Somebody else's texts on a page."""

from __future__ import annotations

import regex

MARKS = regex.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def escaped(text: str) -> str:
    """A text that Markdown shows as it is: no links, no pictures."""
    return MARKS.sub(r"\\\1", text)
