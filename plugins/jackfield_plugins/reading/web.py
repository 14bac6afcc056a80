"""Web pages as Markdown, by trafilatura: their own text without the menus around it."""

from __future__ import annotations

import re
from pathlib import Path

from jackfield_plugins.reading.markdown import split, unescaped
from jackfield_plugins.reading.text import Read, Refused, decoded

DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
HEAD = 4096
"""Bytes in which a page says its encoding."""
PERMALINK = re.compile("¶(?=\\s|$)")
ASIDE = ("script", "style", "noscript", "template", "svg", "title")
"""What is no text."""
SHORT = 1000
"""Characters up to which a page is read whole: what is left out of so little is a guess."""
LEAST = 0.25
"""Share of a page's text that has to be found for it to be its main text."""


def read_html(path: Path, charset: str) -> Read:
    """A page: its main text if one can be told apart, else all of it."""
    import trafilatura

    data = path.read_bytes()
    declared = DECLARED.search(data[:HEAD])
    html = decoded(data, charset or (declared[1].decode() if declared else ""))
    tree = trafilatura.load_html(html)
    if tree is None:
        raise Refused("is no HTML page")
    title = " ".join((tree.findtext(".//title") or "").split())
    length = len(trafilatura.html2txt(html))
    text = trafilatura.extract(html, output_format="markdown", favor_recall=True) or ""
    notes = []
    if length < SHORT:
        text = _whole(html)
    elif len(text) < LEAST * length:
        text = _whole(html)
        notes.append("Its main text could not be told apart: all of the page was read.")
    text = unescaped(PERMALINK.sub("", text))
    return Read(split(text), title=PERMALINK.sub("", title), notes=notes)


def _whole(html: str) -> str:
    """All of a page."""
    from bs4 import BeautifulSoup
    from markdownify import ATX, MarkdownConverter

    page = BeautifulSoup(html, "lxml")
    for element in page(ASIDE):
        element.decompose()
    return str(MarkdownConverter(heading_style=ATX, strip=["img", "a"]).convert_soup(page)).strip()
