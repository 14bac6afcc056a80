"""Documents: what reads a kind of file as text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a document in reading order.

    Attributes:
        text: Markdown, or source code as it is.
        heading: the headings it stands under, from the outermost, joined by `` › ``.
        page: number of its page, slide or sheet, from 1; 0 where there are none.
    """

    text: str
    heading: str = ""
    page: int = 0


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A file as text.

    Attributes:
        title: its own, or the file's name.
        language: of source code, e.g. ``python``; "" for prose.
        notes: what could not be read, in sentences for the user.
    """

    title: str
    sections: tuple[Section, ...]
    language: str = ""
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All sections, a blank line between them."""
        return "\n\n".join(section.text for section in self.sections)


class DocumentReader(ABC):
    """Reads files of some kinds. Several threads may use it at once.

    Attributes:
        name: lower-case, e.g. ``pdf``.
        title: what the user reads.
        extensions: endings of files, lower-case, without the dot.
        media_types: e.g. ``application/pdf``; a type that ends with ``/`` means all that begin so.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]
    media_types: ClassVar[tuple[str, ...]]

    @abstractmethod
    def missing(self) -> str:
        """What has to be done before it can read, as one command or sentence; "" if nothing."""

    @abstractmethod
    def read(self, path: Path, *, name: str = "") -> Document:
        """Read a file.

        Args:
            name: what the user calls it; the file's own name if empty.

        Raises:
            InvalidRequest: it is broken, encrypted, too large, or not what it says; the message
                says which and what to do.
            JackfieldError: the library that reads it is not installed.
        """


def reader_for(
    readers: Sequence[DocumentReader], name: str, media_type: str = ""
) -> DocumentReader | None:
    """The reader of a file, by the ending of its name or else by its media type."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    for reader in readers:
        if ending and ending in reader.extensions:
            return reader
    for reader in readers:
        for one in reader.media_types:
            if media_type == one or (one.endswith("/") and media_type.startswith(one)):
                return reader
    return None
