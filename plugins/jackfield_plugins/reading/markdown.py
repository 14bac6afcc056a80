"""Markdown in sections, each under its headings."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from jackfield_plugins.reading.text import Part, Read, decoded

SEPARATOR = " › "
ESCAPED = re.compile(r"\\([_*])")


def read_markdown(path: Path, charset: str) -> Read:
    """A Markdown file, without the YAML before it."""
    text = decoded(path.read_bytes(), charset)
    if text.startswith("---\n") and (end := text.find("\n---\n", 3)) > 0:
        text = text[end + 5 :]
    sections = split(text)
    first = next((part.heading for part in sections if part.heading), "")
    return Read(sections, title=first.partition(SEPARATOR)[0])


def split(text: str, *, page: int = 0) -> list[Part]:
    """Sections that begin with a heading; one without text is put before the next.

    Args:
        page: of all of them.
    """
    lines = text.split("\n")
    path: list[tuple[int, str]] = []
    sections: list[Part] = []

    def add(first: int, end: int) -> None:
        if body := "\n".join(lines[first:end]).strip():
            sections.append(Part(body, SEPARATOR.join(title for _, title in path), page))

    begin = after = 0
    for start, end, level, title in _headings(text):
        if any(line.strip() for line in lines[after:start]):
            add(begin, start)
            begin = start
        while path and path[-1][0] >= level:
            path.pop()
        path.append((level, title))
        after = end
    add(begin, len(lines))
    return sections


def unescaped(text: str) -> str:
    """A text without the backslashes before ``_`` and ``*``, by which names are not found.

    Converters write them outside of code; lines with code are left as they are.
    """
    lines, in_code = text.split("\n"), False
    for number, line in enumerate(lines):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and "`" not in line:
            lines[number] = ESCAPED.sub(r"\1", line)
    return "\n".join(lines)


def _headings(text: str) -> list[tuple[int, int, int, str]]:
    """First line, line after the last, level and words of each heading outside code."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    found = []
    tokens = parser.parse(text)
    for token, inside in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            words = " ".join(inside.content.replace("*", "").replace("`", "").split())
            found.append((token.map[0], token.map[1], int(token.tag[1:]), words))
    return found
