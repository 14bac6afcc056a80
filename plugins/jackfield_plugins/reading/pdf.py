"""PDF files, by PDFium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jackfield_plugins.reading.text import Part, Read, Refused

MOST_PAGES = 10_000
MOST_BOOKMARKS = 5_000
DOTS = 200
"""Of an inch, at which a page is drawn for text recognition."""
POINTS = 72
LARGEST_SIDE = 4_000
"""Dots."""
NO_TITLES = ("untitled", "untitled document", "(anonymous)")
"""What programs write where nobody gave a title."""


def read_pdf(path: Path) -> Read:
    """The text of each page; those without are told."""
    document = _opened(path)
    count = len(document)
    headings = _headings(document)
    sections, blank = [], []
    heading = ""
    for number in range(1, min(count, MOST_PAGES) + 1):
        heading = headings.get(number, heading)
        text = _text(document, number)
        if text:
            sections.append(Part(text, heading, number))
        else:
            blank.append(number)
    notes = [f"Only the first {MOST_PAGES:,} pages were read."] if count > MOST_PAGES else []
    title = str(document.get_metadata_value("Title") or "").strip()
    title = "" if title.lower() in NO_TITLES else title
    return Read(sections, title=title, notes=notes, blank=blank)


def draw_page(path: Path, number: int, into: Path) -> None:
    """Save a page as a PNG picture."""
    page = _opened(path)[number - 1]
    scale = min(DOTS / POINTS, LARGEST_SIDE / max(*page.get_size(), 1))
    page.render(scale=scale, grayscale=True).to_pil().save(into)


def _opened(path: Path) -> Any:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "assword" in str(error):
            raise Refused(
                "is protected by a password",
                "Remove the password, for example by printing it to a new PDF file, and try again.",
            ) from error
        raise Refused("is damaged or no PDF file", "Get it anew.") from error


def _text(document: Any, number: int) -> str:
    """A page's text; "" for one that is broken, too."""
    import pypdfium2

    try:
        page = document[number - 1]
        inside = page.get_textpage()
        text = str(inside.get_text_bounded())
        inside.close()
        page.close()
    except pypdfium2.PdfiumError:
        return ""
    # PDFium writes U+FFFE for a hyphen at the end of a line.
    text = text.replace("\r\n", "\n").replace("\ufffe\n", "").replace("\ufffe", "")
    return text.replace("\x00", "").strip()


def _headings(document: Any) -> dict[int, str]:
    """Bookmarks with those above them, by the page that they lead to: the last of each."""
    path: list[str] = []
    found: dict[int, str] = {}
    for place, bookmark in enumerate(document.get_toc(max_depth=6)):
        if place >= MOST_BOOKMARKS:
            break
        destination = bookmark.get_dest()
        index = destination.get_index() if destination else None
        path = [*path[: bookmark.level], " ".join(bookmark.get_title().split())]
        if index is not None:
            found[index + 1] = " › ".join(path)
    return found
