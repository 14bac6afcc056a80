"""Reading what is to be indexed: files through the readers of plugins, pages, plain text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from jackfield import Document, DocumentReader, InvalidRequest, Section, reader_for
from jackfield_plugins.knowledge.records import Source

Fetch: TypeAlias = Callable[[str], Document]
"""Gets a web page as a document."""
PLAIN = {
    "txt": "",
    "md": "",
    "rst": "",
    "log": "",
    "csv": "",
    "json": "json",
    "toml": "toml",
    "yaml": "yaml",
    "yml": "yaml",
    "py": "python",
    "js": "javascript",
    "ts": "typescript",
    "rs": "rust",
    "go": "go",
    "c": "c",
    "h": "c",
    "cpp": "cpp",
    "java": "java",
    "sh": "bash",
}
"""Endings of files that are read as they are where no plugin reads them, and their language."""
LONGEST = 50_000_000
"""Bytes of a file that is read as it is."""
MOST_FILES = 20_000
PASSED_OVER = frozenset({"node_modules", "__pycache__", "venv"})


class Reading(msgspec.Struct, frozen=True):
    """What was read.

    Attributes:
        digest: sha256 of the content.
        modified: when the file was changed last, 0 for a page.
        size: bytes.
    """

    document: Document
    digest: str
    modified: float
    size: int


class Reader:
    """Reads sources as documents.

    Args:
        readers: gives the readers of plugins.
    """

    def __init__(self, readers: Callable[[], Sequence[DocumentReader]], fetch: Fetch) -> None:
        self._readers = readers
        self._fetch = fetch

    def digest(self, source: Source) -> str:
        """The sha256 of a file's content, or "" for what has to be fetched first.

        Raises:
            InvalidRequest: it cannot be opened.
        """
        if source.path is None:
            return ""
        try:
            with source.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InvalidRequest(
                f"The file {str(source.path)!r} cannot be read: {error.strerror}."
            ) from error

    def read(self, source: Source) -> Reading:
        """Read a source.

        Raises:
            InvalidRequest: it is broken, too large, or of a kind that nobody reads.
            JackfieldError: what reads it is not installed, or a page cannot be fetched.
        """
        if source.path is None:
            document = self._fetch(source.uri)
            content = document.text.encode()
            return Reading(document, hashlib.sha256(content).hexdigest(), 0.0, len(content))
        digest = self.digest(source)
        found = source.path.stat()
        reader = None if source.kind == "text" else reader_for(self._readers(), source.name)
        if reader is not None:
            document = reader.read(source.path, name=source.name)
        else:
            document = _plain(source)
        return Reading(document, digest, found.st_mtime, found.st_size)

    def files(self, folder: Path) -> Iterator[Path]:
        """Files in a folder and those below it that can be read; hidden ones are passed over.

        Raises:
            InvalidRequest: there is no such folder.
        """
        if not folder.is_dir():
            raise InvalidRequest(f"There is no folder {str(folder)!r}.", param="path")
        known = {one for reader in self._readers() for one in reader.extensions} | set(PLAIN)
        count = 0
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder).parts
            if any(part.startswith(".") or part in PASSED_OVER for part in inside):
                continue
            if path.suffix.removeprefix(".").lower() in known and path.is_file():
                count += 1
                if count > MOST_FILES:
                    raise InvalidRequest(
                        f"The folder {str(folder)!r} holds more than {MOST_FILES:,} files.",
                        hint="Add the folders inside it that matter.",
                        param="path",
                    )
                yield path


def _plain(source: Source) -> Document:
    """A file of text as it is."""
    assert source.path is not None
    if source.path.stat().st_size > LONGEST:
        raise InvalidRequest(
            f"The file {source.name!r} is larger than {LONGEST // 1_000_000} MB.",
            hint="Cut it into several.",
        )
    content = source.path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The file {source.name!r} is not text in UTF-8, and no plugin reads this kind.",
            hint="Save it as text, or install a plugin that reads it.",
        ) from error
    if "\0" in text:
        raise InvalidRequest(f"The file {source.name!r} holds binary data, not text.")
    ending = source.name.rpartition(".")[2].lower()
    language = "" if source.kind == "text" else PLAIN.get(ending, "")
    return Document(title=source.name, sections=(Section(text=text),), language=language)
