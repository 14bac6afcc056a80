"""Where documents come from, and copies of those that are kept here."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from jackfield_plugins.knowledge.records import Collection, IndexedDocument, Source


class Copies:
    """Uploads and texts, each in a folder that is named by its content.

    Args:
        folder: made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, collection: Collection, title: str, data: bytes) -> Path:
        """Keep a copy of what was given; its name may be anything."""
        folder = self._of(collection) / hashlib.sha256(data).hexdigest()[:32]
        folder.mkdir(parents=True, exist_ok=True)
        ending = Path(title).suffix[:16]
        path = folder / f"content{ending if re.fullmatch(r'[.][0-9A-Za-z]+', ending) else ''}"
        path.write_bytes(data)
        return path

    def tidy(self, collection: Collection, documents: Sequence[IndexedDocument]) -> None:
        """Delete copies that no document has any more."""
        used = {Path(one.path).parent for one in documents if one.path}
        for folder in self._of(collection).glob("*"):
            if folder not in used:
                shutil.rmtree(folder, ignore_errors=True)

    def delete(self, collection: Collection) -> None:
        """Delete all copies of a collection."""
        shutil.rmtree(self._of(collection), ignore_errors=True)

    def _of(self, collection: Collection) -> Path:
        return self._folder / str(collection.id)


def file_source(path: Path, folder: str = "") -> Source:
    """A file of the user's, in a watched folder or not."""
    return Source(kind="file", uri=str(path), name=path.name, path=path, folder=folder)


def source_of(document: IndexedDocument) -> Source:
    """Where a document came from, to read it again."""
    name = document.uri
    if document.kind == "file":
        name = Path(document.path).name
    elif document.kind in ("upload", "text"):
        name = document.uri.partition(":")[2]
    return Source(
        kind=document.kind,
        uri=document.uri,
        name=name,
        path=Path(document.path) if document.path else None,
        folder=document.folder,
    )
