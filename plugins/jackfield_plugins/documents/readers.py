"""What reads each kind of file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from jackfield import Document, DocumentReader, InvalidRequest, JackfieldError, Section
from jackfield_plugins.documents.process import Reading

LARGEST = 200_000_000
"""Bytes of a file."""
SOURCE = (
    "txt text log srt vtt rst adoc org asm awk bash bat c cc cfg cjs clj cmake conf cpp cs css cxx "
    "dart diff dockerfile erl ex exs f90 fish go gradle graphql groovy h hh hpp hs ini ipynb java "
    "jl js json jsonl jsx kt kts less lisp lua m makefile mjs ml nim nix patch pl pm php "
    "properties proto ps1 py pyi pyw r rb rs sass scala scss sh sql svg swift tcl tex tf toml ts "
    "tsx v vb vue xml xsd xsl yaml yml zig zsh"
)


class FileReader(DocumentReader):
    """Reads files of some kinds in a process of its own.

    Attributes:
        kind: what it is told to that process.
        needs: modules that must be there.
        extra: what installs them.
    """

    kind: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = "documents"

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def missing(self) -> str:
        """The command that installs what is needed."""
        if all(find_spec(module) is not None for module in self.needs):
            return ""
        return f"pip install 'jackfield[{self.extra}]'"

    def read(self, path: Path, *, name: str = "", charset: str = "") -> Document:
        """Read a file.

        Args:
            charset: the encoding of a text, where its sender says it.
        """
        name = name or path.name
        self._check(path, name)
        ending = name.rpartition(".")[2].lower()
        said = self._reading.read(self.kind, path, name, ending=ending, charset=charset)
        return self._document(said, path, name)

    def _check(self, path: Path, name: str) -> None:
        if install := self.missing():
            raise JackfieldError(
                f"The file {name!r} cannot be read: the part that reads {self.title} is not "
                "installed.",
                hint=install,
            )
        try:
            size = path.stat().st_size
        except OSError as error:
            raise InvalidRequest(
                f"The file {name!r} cannot be opened: {error.strerror}."
            ) from error
        if size > LARGEST:
            raise InvalidRequest(
                f"The file {name!r} has {size:,} bytes; the limit is {LARGEST:,}.", hint="Split it."
            )

    def _document(self, said: dict[str, Any], path: Path, name: str) -> Document:
        return Document(
            title=said["title"] or name,
            sections=tuple(Section(**one) for one in said["sections"]),
            language=said["language"],
            notes=tuple(said["notes"]),
        )


class TextReader(FileReader):
    """Reads plain text and source code."""

    name = kind = "text"
    title = "Text and source code"
    extensions = tuple(SOURCE.split())
    media_types = ("text/plain", "application/json", "application/xml", "text/")


class MarkdownReader(FileReader):
    """Reads Markdown by its headings."""

    name = kind = "markdown"
    title = "Markdown"
    extensions = ("md", "markdown", "mdx")
    media_types = ("text/markdown",)


class HtmlReader(FileReader):
    """Reads web pages."""

    name = kind = "html"
    title = "Web pages"
    extensions = ("html", "htm", "xhtml")
    media_types = ("text/html", "application/xhtml+xml")
    needs = ("trafilatura", "markdownify")


class CsvReader(FileReader):
    """Reads tables of separated values."""

    name = kind = "csv"
    title = "Tables of separated values"
    extensions = ("csv", "tsv")
    media_types = ("text/csv", "text/tab-separated-values")


class DocxReader(FileReader):
    """Reads documents of Word."""

    name = kind = "docx"
    title = "Word documents"
    extensions = ("docx",)
    media_types = ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",)
    needs = ("markitdown", "mammoth")


class PptxReader(FileReader):
    """Reads slides."""

    name = kind = "pptx"
    title = "PowerPoint slides"
    extensions = ("pptx",)
    media_types = ("application/vnd.openxmlformats-officedocument.presentationml.presentation",)
    needs = ("markitdown", "pptx")


class XlsxReader(FileReader):
    """Reads sheets."""

    name = kind = "xlsx"
    title = "Excel sheets"
    extensions = ("xlsx",)
    media_types = ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",)
    needs = ("openpyxl",)


class EpubReader(FileReader):
    """Reads electronic books."""

    name = kind = "epub"
    title = "Electronic books"
    extensions = ("epub",)
    media_types = ("application/epub+zip",)
    needs = ("markitdown",)


class PdfReader(FileReader):
    """Reads PDF files, scanned pages by what reads pictures.

    Args:
        readers: all readers there are.
        most: pages of a file that are recognized as pictures.
    """

    name = kind = "pdf"
    title = "PDF files"
    extensions = ("pdf",)
    media_types = ("application/pdf",)
    needs = ("pypdfium2",)

    def __init__(
        self,
        reading: Reading,
        readers: Callable[[], Sequence[DocumentReader]],
        most: Callable[[], int],
    ) -> None:
        super().__init__(reading)
        self._readers, self._most = readers, most

    def _document(self, said: dict[str, Any], path: Path, name: str) -> Document:
        blank: list[int] = said["blank"]
        if blank:
            pages, notes = self._recognized(path, name, blank)
            said["sections"] = sorted([*said["sections"], *pages], key=lambda one: one["page"])
            said["notes"] += notes
        return super()._document(said, path, name)

    def _recognized(
        self, path: Path, name: str, blank: Sequence[int]
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Sections of pages that hold no text, and what is to be said about them."""
        reader = next((one for one in self._readers() if "image/" in one.media_types), None)
        install = "pip install 'jackfield[ocr]'" if reader is None else reader.missing()
        if reader is None or install:
            return [], [
                f"{_pages(blank)} no text; if scanned, text recognition can read it: {install}."
            ]
        most = self._most()
        found, empty = [], []
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder, "page.png")
            for number in blank[:most]:
                self._reading.read("page picture", path, name, page=number, into=str(picture))
                text = reader.read(picture, name=f"page {number} of {name}").text
                if text.strip():
                    found.append({"text": text, "heading": "", "page": number})
                else:
                    empty.append(number)
        notes = [f"{_pages(empty)} no text, not even as a picture."] if empty else []
        if blank[most:]:
            notes.append(f"{_pages(blank[most:])} no text; only {most} scanned pages were read.")
        return found, notes


def _pages(numbers: Sequence[int]) -> str:
    """The beginning of a sentence about pages."""
    shown = ", ".join(str(one) for one in numbers[:10]) + (", …" if len(numbers) > 10 else "")
    return f"Page {shown} has" if len(numbers) == 1 else f"{len(numbers)} pages ({shown}) have"


def all_readers(
    reading: Reading,
    readers: Callable[[], Sequence[DocumentReader]] = lambda: (),
    most: Callable[[], int] = lambda: 0,
) -> list[FileReader]:
    """One of each kind."""
    kinds = (MarkdownReader, HtmlReader, CsvReader, DocxReader, PptxReader, XlsxReader, EpubReader)
    return [
        PdfReader(reading, readers, most),
        *(kind(reading) for kind in kinds),
        TextReader(reading),
    ]
