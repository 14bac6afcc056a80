"""What is read, as the child says it, and plain text."""

from __future__ import annotations

import codecs
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LONGEST = 30_000_000
"""Characters of a document."""
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SAMPLE = 500_000
"""Bytes by which an encoding is guessed."""
CONTROLS = frozenset(range(32)) - {9, 10, 12, 13, 27}
"""Bytes that texts do not have."""
MOST_CONTROLS = 0.01
LANGUAGES = {
    "bash": "sh bash zsh",
    "c": "c h",
    "cpp": "cc cpp cxx hh hpp hxx",
    "csharp": "cs",
    "css": "css scss sass less",
    "dart": "dart",
    "elixir": "ex exs",
    "erlang": "erl",
    "go": "go",
    "haskell": "hs",
    "ini": "ini cfg conf properties",
    "java": "java",
    "javascript": "js mjs cjs jsx",
    "json": "json jsonl ndjson ipynb",
    "julia": "jl",
    "kotlin": "kt kts",
    "latex": "tex",
    "lua": "lua",
    "perl": "pl pm",
    "php": "php",
    "powershell": "ps1",
    "python": "py pyi pyw",
    "r": "r",
    "ruby": "rb",
    "rust": "rs",
    "scala": "scala",
    "sql": "sql",
    "swift": "swift",
    "toml": "toml",
    "typescript": "ts tsx",
    "xml": "xml svg xsd xsl",
    "yaml": "yaml yml",
}
"""Programming languages to endings of files."""


BEGINNINGS = {
    b"%PDF-": "a PDF file",
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"{\\rtf": "an RTF file",
    b"<!DOCTYPE html": "a web page",
    b"<html": "a web page",
}
"""Kinds of files by how they begin."""


class Refused(Exception):
    """A file that cannot be read.

    Attributes:
        what: a sentence without its subject, which is the file: ``is empty``.
        hint: what to do.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


@dataclass
class Part:
    """A section: see ``jackfield.Section``."""

    text: str
    heading: str = ""
    page: int = 0


@dataclass
class Read:
    """A document: see ``jackfield.Document``.

    Attributes:
        blank: pages on which there is no text, from 1.
    """

    sections: list[Part]
    title: str = ""
    language: str = ""
    notes: list[str] = field(default_factory=list)
    blank: list[int] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """It as plain values.

        Raises:
            Refused: it is too long.
        """
        length = sum(len(section.text) for section in self.sections)
        if length > LONGEST:
            raise Refused(
                f"has {length:,} characters of text; the limit is {LONGEST:,}", "Split it."
            )
        return asdict(self)


def read_text(path: Path, ending: str, charset: str) -> Read:
    """Plain text or source code."""
    data = path.read_bytes()
    looks = looks_like(data)
    if looks and looks != "a web page":
        raise Refused(f"is {looks}, though it is called text", "Give it the right ending.")
    text = decoded(data, charset)
    language = next((name for name, ends in LANGUAGES.items() if ending in ends.split()), "")
    return Read([Part(text)], language=language)


def looks_like(data: bytes) -> str:
    """What a file is by its beginning, "" if that is not known."""
    return next((what for begins, what in BEGINNINGS.items() if data.startswith(begins)), "")


def decoded(data: bytes, charset: str = "") -> str:
    """A text in whatever encoding it is.

    Args:
        charset: what the one who sent it says.

    Raises:
        Refused: it is no text.
    """
    encoding = next((name for bom, name in BOMS.items() if data.startswith(bom)), "")
    if not encoding and sum(byte in CONTROLS for byte in data[:SAMPLE]) > MOST_CONTROLS * min(
        len(data), SAMPLE
    ):
        raise Refused("is not text, though it is called so", "Give it the ending of what it is.")
    for name in filter(None, (charset, encoding, "utf-8")):
        try:
            return _lines(data.decode(name))
        except (UnicodeDecodeError, LookupError):
            continue
    return _lines(data.decode(_guessed(data[:SAMPLE]), "replace"))


def _guessed(data: bytes) -> str:
    """The encoding that a text seems to be in."""
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return "cp1252"
    best = from_bytes(data).best()
    if best is None:
        raise Refused("is in no encoding that is known", "Save it as UTF-8.")
    return best.encoding


def _lines(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
