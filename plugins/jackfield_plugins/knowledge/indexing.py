"""Putting documents into a collection, so that a crash at any moment leaves it consistent.

Vectors of a new version are written first, then one transaction of the database puts its chunks in
place of the old ones, then the old vectors are removed. Vectors that belong to no chunk can
therefore be left behind, and are removed when the collections are opened next; a search never sees
them, for it takes a chunk only from the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jackfield import InvalidRequest, JackfieldError
from jackfield_plugins.knowledge.catalogue import Catalogue, Version
from jackfield_plugins.knowledge.chunking import Chunker
from jackfield_plugins.knowledge.embedder import Embedder
from jackfield_plugins.knowledge.jobs import Cancelled, Job
from jackfield_plugins.knowledge.passages import Passages
from jackfield_plugins.knowledge.reading import Reader
from jackfield_plugins.knowledge.records import Collection, IndexedDocument, Source
from jackfield_plugins.knowledge.sources import source_of
from jackfield_plugins.knowledge.vectors import Key, Vectors

if TYPE_CHECKING:
    from jackfield_plugins.knowledge.vectors import Rows

BATCH = 64
"""Texts embedded at once; a job that is cancelled ends after so many."""
TOGETHER = 128
"""Chunks, of several documents where they are short, that are embedded and stored together."""


class Indexer:
    """Indexes documents of one collection in one job.

    While chunks are embedded and stored, the next documents are read and cut. What cannot be read
    is noted with its document and in ``job.failures``.
    """

    def __init__(
        self,
        collection: Collection,
        catalogue: Catalogue,
        passages: Passages,
        vectors: Vectors,
        embedder: Embedder,
        reader: Reader,
        job: Job,
    ) -> None:
        self._collection = collection
        self._catalogue = catalogue
        self._passages = passages
        self._vectors = vectors
        self._embedder = embedder
        self._reader = reader
        self._chunker = Chunker(embedder, collection.chunk_tokens, collection.overlap)
        self._job = job
        self._waiting: list[Version] = []
        self._storing: list[Version] = []
        self._running: Future[None] | None = None
        self._over, self._stored = 0, 0.0  # documents: without anything to store, and stored
        self._told = dict.fromkeys(
            ("added", "updated", "unchanged", "duplicates", "failed", "embedded"), 0
        )

    def add(self, sources: Sequence[Source], *, anew: bool = False) -> dict[str, Any]:
        """Add documents that the catalogue lists, or bring them up to date.

        Args:
            anew: index also what has not changed.

        Raises:
            Cancelled: documents that were finished stay; the others do if it was interrupted.
            JackfieldError: the embedding model failed; what is not finished stays pending.
        """
        job = self._job
        job.total = len(sources)
        self._catalogue.mark(self._collection, writing=True)
        try:
            with ThreadPoolExecutor(1) as pool:
                for source in sources:
                    job.check()
                    job.current = source.name
                    if not self._prepare(source, anew=anew):
                        self._over += 1
                        self._progress()
                    if sum(len(one.chunks) for one in self._waiting) >= TOGETHER:
                        self._hand_over(pool)
                self._hand_over(pool)
                self._wait()
        except Cancelled:
            if not job.interrupted:
                self._catalogue.forget_new(self._collection, [one.uri for one in sources])
            self._catalogue.mark(self._collection, writing=False)
            raise
        except JackfieldError:
            self._catalogue.mark(self._collection, writing=False)
            raise
        self._catalogue.mark(self._collection, writing=False)
        return self._told

    def _prepare(self, source: Source, *, anew: bool) -> bool:
        """Read and cut a document; False if there is nothing more to do with it."""
        document = self._catalogue.at(self._collection, source.uri)
        if document is None:  # it was removed in the meantime
            return False
        try:
            digest = self._reader.digest(source)
            if digest and not self._wanted(document, source, digest, anew=anew):
                return False
            reading = self._reader.read(source)
            if not digest and not self._wanted(document, source, reading.digest, anew=anew):
                return False
            chunks = self._chunker.chunks(reading.document)
            if not chunks:
                raise InvalidRequest("It holds no text.")
        except JackfieldError as error:
            self._failed(document, source, error)
            return False
        except Exception as error:  # noqa: BLE001 - readers are foreign code
            self._failed(document, source, JackfieldError(f"{type(error).__name__}: {error}."))
            return False
        self._waiting.append(
            Version(document=document, source=source, reading=reading, chunks=chunks)
        )
        return True

    def _wanted(
        self, document: IndexedDocument, source: Source, digest: str, *, anew: bool
    ) -> bool:
        """Whether a content has to be indexed: not if it is here already."""
        if document.state == "ready" and document.digest == digest:
            if not anew:
                self._told["unchanged"] += 1
                self._catalogue.settle(document, modified=_modified(source), folder=source.folder)
            return anew
        if self._is_double(document, source, digest):
            self._told["duplicates"] += 1
            return False
        return True

    def _is_double(self, document: IndexedDocument, source: Source, digest: str) -> bool:
        """Whether the same content is here; if its file is gone, the document has moved."""
        other = self._catalogue.same(self._collection, digest)
        new = [*self._waiting, *self._storing]
        if other is not None and (
            any(one.document.id == other.id for one in new) or self._has_changed(other)
        ):
            other = None  # its new content takes the place of this one
        twice = any(one.reading.digest == digest for one in new)
        if not twice and (other is None or other.id == document.id):
            return False
        remove(self._collection, document, self._catalogue, self._passages, self._vectors)
        if (
            other is not None
            and other.kind == source.kind == "file"
            and not Path(other.path).exists()
        ):
            self._catalogue.settle(
                other, uri=source.uri, path=str(source.path), folder=source.folder
            )
        return True

    def _has_changed(self, document: IndexedDocument) -> bool:
        """Whether a document's file is there with another content than was indexed."""
        source = source_of(document)
        if document.kind != "file" or _modified(source) in (0.0, document.modified):
            return False
        return self._reader.digest(source) != document.digest

    def _failed(self, document: IndexedDocument, source: Source, error: JackfieldError) -> None:
        """Note why a document could not be read; an old version of it goes on being found."""
        self._catalogue.settle(
            document, state="failed", error=str(error), modified=_modified(source)
        )
        self._job.failures.append(f"{source.name}: {error.message}")
        self._told["failed"] += 1

    def _hand_over(self, pool: ThreadPoolExecutor) -> None:
        """Have what is waiting embedded and stored, after what is being stored now."""
        self._wait()
        self._storing, self._waiting = self._waiting, []
        if self._storing:
            self._running = pool.submit(self._finish, self._storing)

    def _wait(self) -> None:
        if self._running is not None:
            self._running.result()
        self._running = None

    def _progress(self) -> None:
        self._job.finished = self._over + self._stored

    def _finish(self, versions: Sequence[Version]) -> None:
        """Embed and store new versions of documents."""
        import numpy as np

        begun, many = self._stored, len(versions)
        vectors = self._known(versions)
        wanted = dict.fromkeys(chunk.embedded for one in versions for chunk in one.chunks)
        missing = [text for text in wanted if text not in vectors]
        for at in range(0, len(missing), BATCH):
            self._job.check()
            batch = missing[at : at + BATCH]
            vectors.update(zip(batch, self._embedder.embed(batch), strict=True))
            self._stored = begun + many * min(1.0, (at + BATCH) / len(missing)) * 0.99
            self._progress()
        self._told["embedded"] += len(missing)
        rows = np.stack([vectors[chunk.embedded] for one in versions for chunk in one.chunks])
        self._store(versions, rows.astype(np.float32))
        self._stored = begun + many
        self._progress()

    def _store(self, versions: Sequence[Version], rows: Rows) -> None:
        """Vectors first, then the chunks in one transaction, then away with the old vectors."""
        inside = self._collection.id
        keys = [one.key(chunk) for one in versions for chunk in one.chunks]
        self._vectors.add(inside, keys, rows)
        old = {one.document.id: self._keys(one.document) for one in versions}
        stored = self._catalogue.switch(self._collection, versions)
        gone = [key for number in stored for key in old[number]]
        self._vectors.remove(inside, [*gone, *(key for key in keys if key[0] not in stored)])
        for number in stored:
            self._told["updated" if old[number] else "added"] += 1

    def _known(self, versions: Sequence[Version]) -> dict[str, Any]:
        """Vectors of those chunks that were there before, by what was embedded."""
        keys: dict[str, Key] = {}
        for one in versions:
            if one.document.version == 0:
                continue
            wanted = {chunk.embedded for chunk in one.chunks}
            for chunk in self._passages.chunks(one.document):
                if chunk.embedded in wanted:
                    keys[chunk.embedded] = (one.document.id, one.document.version, chunk.number)
        there = self._vectors.get(self._collection.id, list(keys.values()))
        return {text: there[key] for text, key in keys.items() if key in there}

    def _keys(self, document: IndexedDocument) -> list[Key]:
        return _keys(document, self._passages)


def remove(
    collection: Collection,
    document: IndexedDocument,
    catalogue: Catalogue,
    passages: Passages,
    vectors: Vectors,
) -> None:
    """Remove a document: from the database first, so that no search finds half of it."""
    catalogue.mark(collection, writing=True)
    keys = _keys(document, passages)
    catalogue.remove(collection, document)
    vectors.remove(collection.id, keys)
    catalogue.mark(collection, writing=False)


def clean(
    collection: Collection, catalogue: Catalogue, passages: Passages, vectors: Vectors
) -> None:
    """Set right a collection whose vectors were being written when the program ended."""
    listed = passages.keys(collection)
    there = set(vectors.keys(collection.id))
    vectors.remove(collection.id, [key for key in there if key not in listed])
    lost = {key[0] for key in listed if key not in there}
    for document in catalogue.documents(collection):
        if document.id in lost:
            catalogue.settle(document, state="pending", digest="")
    catalogue.clear_mark(collection)


def _keys(document: IndexedDocument, passages: Passages) -> list[Key]:
    """Keys of the vectors of a document; none before it was indexed once."""
    if document.version == 0:
        return []
    return [(document.id, document.version, chunk.number) for chunk in passages.chunks(document)]


def _modified(source: Source) -> float:
    """When a file was changed last; 0 for a page, or where the file is gone."""
    try:
        return source.path.stat().st_mtime if source.path is not None else 0.0
    except OSError:
        return 0.0
