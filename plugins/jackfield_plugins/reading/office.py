"""Word documents, slides and electronic books, by markitdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jackfield_plugins.reading.archive import check_archive
from jackfield_plugins.reading.markdown import split, unescaped
from jackfield_plugins.reading.text import Part, Read

PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
SLIDE = re.compile(r"<!-- Slide number: (\d+) -->")


def read_docx(path: Path) -> Read:
    """A document of Word."""
    from markitdown.converters import DocxConverter

    check_archive(path, "docx")
    return _read(path, DocxConverter())


def read_epub(path: Path) -> Read:
    """An electronic book."""
    from markitdown.converters import EpubConverter

    check_archive(path, "epub")
    return _read(path, EpubConverter())


def read_pptx(path: Path) -> Read:
    """Slides, each a page."""
    from markitdown.converters import PptxConverter

    check_archive(path, "pptx")
    read = _read(path, PptxConverter())
    pieces = SLIDE.split("\n".join(part.text for part in read.sections))
    sections: list[Part] = []
    for number, text in zip(pieces[1::2], pieces[2::2], strict=True):
        sections += split(text, page=int(number))
    return Read(sections, read.title)


def _read(path: Path, converter: Any) -> Read:
    from markitdown import StreamInfo

    ending = path.suffix
    with path.open("rb") as file:
        made = converter.convert(file, StreamInfo(extension=ending, filename=path.name))
    text = unescaped(PICTURE.sub("", made.markdown))
    return Read(split(text), title=made.title or "")
