"""Vectors of chunks, in an embedded Chroma; its server is never started."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from jackfield import JackfieldError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows: TypeAlias = NDArray[np.float32]

Key: TypeAlias = tuple[int, int, int]
"""Document, version and number of a chunk."""
ONCE = 2_000
"""Vectors that are sent to Chroma in one call."""
NAMED = 10_000
"""Keys or documents that are named in one question; Chroma's database takes some 16,000."""


class Vectors:
    """One Chroma collection for each of ours, with nothing but vectors and their keys.

    Raises:
        JackfieldError: Chroma is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import chromadb
            from chromadb.config import Settings
        except ImportError as error:
            raise JackfieldError(
                f"Collections need Chroma, which is not installed: {error}.",
                hint="Install it: pip install 'jackfield[knowledge]'",
            ) from error
        folder.mkdir(parents=True, exist_ok=True)
        settings = Settings(anonymized_telemetry=False)
        self._client: Any = chromadb.PersistentClient(str(folder), settings=settings)
        self._lock = threading.Lock()
        self._open: dict[int, Any] = {}

    def close(self) -> None:
        """Let go of the files."""
        self._client.close()

    def create(self, collection: int) -> None:
        """Make an empty one."""
        with self._lock:
            self._open[collection] = self._client.create_collection(
                f"collection-{collection}",
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine"}},
            )

    def delete(self, collection: int) -> None:
        """Remove one, if it is there."""
        from chromadb.errors import NotFoundError

        with self._lock:
            self._open.pop(collection, None)
            try:
                self._client.delete_collection(f"collection-{collection}")
            except NotFoundError:
                return

    def add(self, collection: int, keys: Sequence[Key], vectors: Rows) -> None:
        """Add vectors, or put them in place of those with the same keys."""
        inside = self._of(collection)
        for at in range(0, len(keys), ONCE):
            part = keys[at : at + ONCE]
            inside.upsert(
                ids=[_name(key) for key in part],
                embeddings=vectors[at : at + ONCE],
                metadatas=[{"document": key[0]} for key in part],
            )

    def get(self, collection: int, keys: Sequence[Key]) -> dict[Key, Any]:
        """The vectors of those keys that are there."""
        there: dict[Key, Any] = {}
        for at in range(0, len(keys), NAMED):
            names = [_name(key) for key in keys[at : at + NAMED]]
            found = self._of(collection).get(ids=names, include=["embeddings"])
            there.update(zip(map(_key, found["ids"]), found["embeddings"], strict=True))
        return there

    def keys(self, collection: int) -> list[Key]:
        """All that are there."""
        return [_key(name) for name in self._of(collection).get(include=[])["ids"]]

    def remove(self, collection: int, keys: Iterable[Key]) -> None:
        """Remove vectors."""
        names = [_name(key) for key in keys]
        for at in range(0, len(names), ONCE):
            self._of(collection).delete(ids=names[at : at + ONCE])

    def nearest(
        self, collection: int, vector: Rows, count: int, documents: Sequence[int] | None = None
    ) -> Mapping[Key, float]:
        """The nearest by cosine, the best first."""
        inside = self._of(collection)
        wheres: list[Any] = [None]
        if documents is not None:
            parts = (documents[at : at + NAMED] for at in range(0, len(documents), NAMED))
            wheres = [{"document": {"$in": list(part)}} for part in parts]
        near: dict[Key, float] = {}
        for where in wheres:
            found = inside.query(
                query_embeddings=[vector], n_results=count, where=where, include=["distances"]
            )
            for name, distance in zip(found["ids"][0], found["distances"][0], strict=True):
                near[_key(name)] = 1.0 - float(distance)
        best = sorted(near, key=lambda key: -near[key])[:count]
        return {key: near[key] for key in best}

    def _of(self, collection: int) -> Any:
        with self._lock:
            if collection not in self._open:
                self._open[collection] = self._client.get_or_create_collection(
                    f"collection-{collection}",
                    embedding_function=None,
                    configuration={"hnsw": {"space": "cosine"}},
                )
            return self._open[collection]


def _name(key: Key) -> str:
    return "-".join(map(str, key))


def _key(name: str) -> Key:
    document, version, number = name.split("-")
    return int(document), int(version), int(number)
