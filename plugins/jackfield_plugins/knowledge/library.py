"""All collections of a data folder: what dashboard, API, command line and turns share."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jackfield import InvalidRequest, JackfieldError
from jackfield_plugins.knowledge.catalogue import Catalogue
from jackfield_plugins.knowledge.database import Database
from jackfield_plugins.knowledge.embedder import Embedder
from jackfield_plugins.knowledge.indexing import Indexer, clean, remove
from jackfield_plugins.knowledge.jobs import Job, Jobs
from jackfield_plugins.knowledge.passages import Passages
from jackfield_plugins.knowledge.reading import Fetch, Reader
from jackfield_plugins.knowledge.records import Asked, Collection, Found, IndexedDocument, Source
from jackfield_plugins.knowledge.retrieval import Reranker, Retrieval, merged
from jackfield_plugins.knowledge.sources import Copies, file_source, source_of
from jackfield_plugins.knowledge.vectors import Vectors
from jackfield_plugins.knowledge.watching import Watcher

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield_plugins.knowledge.vectors import Rows

NAME = re.compile(r"[^/\\?#&\x00-\x1f]{1,80}")
RESERVED = ("search", "jobs")
"""What stands in the place of a name in the API's paths."""
CLOSING = 30.0
"""Seconds that a job has to end before its collection is deleted."""


class InUse(JackfieldError):
    """Another process has the collections."""

    status = 409
    code = "collections_in_use"


class Library:
    """Opened by one process at a time.

    Raises:
        InUse: another process has it.
        JackfieldError: Chroma is not installed.
    """

    def __init__(self, app: Application, fetch: Fetch) -> None:
        import filelock

        self.app = app
        self.folder = app.paths.home / "collections"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = filelock.FileLock(self.folder / "lock", thread_local=False)
        try:
            self._lock.acquire(timeout=1)
        except filelock.Timeout as error:
            raise InUse(
                f"Another process uses the collections in {str(self.folder)!r}.",
                hint="Wait until it ends, or ask the running server.",
            ) from error
        try:
            self.vectors = Vectors(self.folder / "vectors")
            self._database = Database(self.folder / "collections.db")
            self.catalogue = Catalogue(self._database)
            self.passages = Passages(self._database)
        except BaseException:
            self._lock.release()
            raise
        self.jobs = Jobs()
        self._copies = Copies(self.folder / "files")
        self._receiving = threading.RLock()
        """Held while copies are kept of which no job knows yet."""
        self.reader = Reader(app.plugins.document_readers, fetch)
        self._retrieval = Retrieval(self.catalogue, self.passages, self.vectors)
        self._checked: dict[int, Embedder] = {}
        self._watcher = Watcher(self._changed)
        self._recover()

    def close(self) -> None:
        """Cancel what runs and let go of the files."""
        self._watcher.stop()
        self.jobs.stop()
        self.vectors.close()
        self._database.close()
        self._lock.release()

    # Collections

    def create(self, name: str, model: str, *, chunk_tokens: int, overlap: int) -> Collection:
        """Make a collection.

        Raises:
            InvalidRequest: the name is taken or no name, or the model makes no embeddings.
        """
        if not name.strip():
            raise InvalidRequest("Give the collection a name.", param="name")
        if not NAME.fullmatch(name) or name != name.strip() or name in RESERVED:
            raise InvalidRequest(
                f"{name!r} is no name for a collection: 1 to 80 characters, none of / \\ ? # &, "
                f"and not {' or '.join(RESERVED)}.",
                param="name",
            )
        able = self.app.embedding.able("embedding")
        if not model and not able:
            raise InvalidRequest(
                "No model here makes embeddings, which a collection needs.",
                hint="Get one on the Models page, for example all-MiniLM-L6-v2.",
                param="model",
            )
        if overlap * 2 > chunk_tokens:
            raise InvalidRequest(
                f"Chunks of {chunk_tokens} tokens cannot overlap by {overlap}: by half at most.",
                param="overlap",
            )
        embedder = Embedder(self.app, model or able[0])
        probe = embedder.probe()
        made = self.catalogue.create(
            name,
            embedder.model,
            len(probe) // 4,
            probe,
            chunk_tokens=chunk_tokens,
            overlap=overlap,
        )
        self.vectors.create(made.id)
        self._checked[made.id] = embedder
        return made

    def delete(self, name: str) -> None:
        """Remove a collection with all that is in it; files it was made from stay."""
        collection = self.catalogue.collection(name)
        for job in self.jobs.of(name):
            job.cancel()
            job.wait(CLOSING)
        self.catalogue.delete(collection)
        self.vectors.delete(collection.id)
        self._copies.delete(collection)
        self._checked.pop(collection.id, None)
        self.watch()

    # Documents

    def add(
        self, name: str, sources: Sequence[Source], *, anew: bool = False, what: str = ""
    ) -> Job:
        """Begin to index documents."""
        collection = self.catalogue.collection(name)
        sources = list({one.uri: one for one in sources}.values())  # of one name, the last
        self.catalogue.begin(collection, sources)
        what = what or (sources[0].name if len(sources) == 1 else f"{len(sources):,} documents")

        def index(job: Job) -> dict[str, Any]:
            told = self._indexer(name, job).add(sources, anew=anew)
            self._tidy(collection, job)
            return told

        def given_up() -> None:
            if not job.interrupted:
                self.catalogue.forget_new(collection, [one.uri for one in sources])

        job = Job("index", collection.name, f"Index {what}")
        return self.jobs.start(job, index, given_up=given_up)

    def path(self, name: str, path: Path, *, watch: bool = True) -> Job:
        """Begin to index a file, or a folder, which is watched from then on.

        Raises:
            InvalidRequest: there is nothing there.
        """
        collection = self.catalogue.collection(name)
        path = path.expanduser().resolve()
        if path.is_file():
            return self.add(name, [file_source(path)])
        if not path.is_dir():
            raise InvalidRequest(f"There is no file or folder {str(path)!r}.", param="path")
        if watch:
            self.catalogue.watch(collection, str(path))
            self.watch()
        return self.synchronize(name, path)

    def synchronize(self, name: str, folder: Path) -> Job:
        """Begin to make a collection hold what is in a folder, and no more of it."""
        collection = self.catalogue.collection(name)

        def index(job: Job) -> dict[str, Any]:
            paths = list(self.reader.files(folder)) if folder.is_dir() else []
            sources = [file_source(path, str(folder)) for path in paths]
            fresh = [one for one in sources if not self._unchanged(collection, one)]
            self.catalogue.begin(collection, fresh)
            told = self._indexer(name, job).add(fresh)
            told["unchanged"] += len(sources) - len(fresh)
            there = {one.uri for one in sources}
            gone = [
                one
                for one in self.catalogue.documents(collection)
                if one.folder == str(folder) and one.uri not in there
            ]
            for one in gone:
                self.remove(name, one.id)
            self._tidy(collection, job)
            return {**told, "removed": len(gone)}

        return self.jobs.start(Job("index", name, f"Index {folder.name}", str(folder)), index)

    def unwatch(self, name: str, folder: str) -> None:
        """Watch a folder no longer; its documents stay."""
        self.catalogue.watch(self.catalogue.collection(name), folder, on=False)
        self.watch()

    def upload(self, name: str, files: Iterable[tuple[str, bytes]]) -> Job:
        """Begin to index files of which only the content is known; copies are kept."""
        collection = self.catalogue.collection(name)
        with self._receiving:
            sources = [
                Source(kind="upload", uri=f"upload:{title}", name=title, path=path)
                for title, path in (
                    (one, self._copies.keep(collection, one, data)) for one, data in files
                )
            ]
            return self.add(name, sources)

    def text(self, name: str, title: str, text: str) -> Job:
        """Begin to index a text.

        Raises:
            InvalidRequest: it is empty.
        """
        if not text.strip():
            raise InvalidRequest("There is no text to add.", param="text")
        title = title.strip() or " ".join(text.split())[:60]
        collection = self.catalogue.collection(name)
        with self._receiving:
            path = self._copies.keep(collection, f"{title}.md", text.encode())
            source = Source(kind="text", uri=f"text:{title}", name=title, path=path)
            return self.add(name, [source])

    def page(self, name: str, url: str) -> Job:
        """Begin to index a web page."""
        return self.add(name, [Source(kind="page", uri=url, name=url)])

    def remove(self, name: str, number: int) -> None:
        """Remove a document; a file of the user's stays."""
        collection = self.catalogue.collection(name)
        document = self.catalogue.document(collection, number)
        remove(collection, document, self.catalogue, self.passages, self.vectors)
        self._tidy(collection)

    def again(self, name: str, number: int | None = None) -> Job:
        """Begin to index a document anew, or all."""
        collection = self.catalogue.collection(name)
        documents = self.catalogue.documents(collection)
        chosen = [one for one in documents if number in (None, one.id)]
        if number is not None and not chosen:
            self.catalogue.document(collection, number)
        what = "" if number is not None else "all documents anew"
        return self.add(name, [source_of(one) for one in chosen], anew=True, what=what)

    # Searching

    def search(self, names: Sequence[str], asked: Asked) -> Found:
        """The best passages of some collections.

        Raises:
            NotFound: there is no such collection.
            InvalidRequest: the embedding model is not the one a collection was made with.
            JackfieldError: a model failed.
        """
        if not asked.query.strip():
            raise InvalidRequest("There is no question to search for.", param="query")
        found: list[Found] = []
        vectors: dict[str, Rows] = {}
        for name in dict.fromkeys(names):
            collection = self.catalogue.collection(name)
            vector = None
            if asked.mode != "bm25" and collection.documents:
                if collection.model not in vectors:
                    embedder = self.embedder(collection)
                    vectors[collection.model] = embedder.embed([_cut(asked.query, embedder)])[0]
                vector = vectors[collection.model]
            found.append(self._retrieval.search(collection, asked, vector))
        hits = merged([one.hits for one in found]) if found else []
        if asked.reranker:
            hits = Reranker(self.app).sort(hits, asked)
        return Found(
            hits=tuple(hits[: asked.k]),
            below=sum(one.below for one in found),
            closest=max((one.closest for one in found if one.closest is not None), default=None),
        )

    def embedder(self, collection: Collection) -> Embedder:
        """The embedding model of a collection, seen to be the right one once in this process.

        Raises:
            InvalidRequest: it is another, or it is gone.
        """
        embedder = self._checked.get(collection.id)
        if embedder is None or not embedder.here:
            embedder = Embedder(self.app, collection.model)
            embedder.check(collection, self.catalogue.probe(collection))
            self._checked[collection.id] = embedder
        return embedder

    def preview(self, name: str, number: int) -> tuple[IndexedDocument, list[Any]]:
        """A document and its chunks."""
        document = self.catalogue.document(self.catalogue.collection(name), number)
        return document, list(self.passages.chunks(document))

    def serve(self) -> None:
        """Follow the watched folders, also what changed in them while nobody looked.

        The documents of one that is not there, such as a drive that is not plugged in, stay.
        """
        for one in self.catalogue.collections():
            for folder in map(Path, one.folders):
                if folder.is_dir():
                    self.synchronize(one.name, folder)
        self.watch()

    def watch(self) -> None:
        """Watch the folders of all collections."""
        self._watcher.follow(
            [folder for one in self.catalogue.collections() for folder in one.folders]
        )

    # Inside

    def _changed(self, folder: str) -> None:
        for one in self.catalogue.collections():
            waiting = [
                job
                for job in self.jobs.of(one.name)
                if job.state == "waiting" and job.folder == folder
            ]
            if folder in one.folders and not waiting:
                self.synchronize(one.name, Path(folder))

    def _indexer(self, name: str, job: Job) -> Indexer:
        collection = self.catalogue.collection(name)
        return Indexer(
            collection,
            self.catalogue,
            self.passages,
            self.vectors,
            self.embedder(collection),
            self.reader,
            job,
        )

    def _tidy(self, collection: Collection, job: Job | None = None) -> None:
        """Delete copies that no document has, unless a job besides this one may need some."""
        with self._receiving:
            if all(one.over or one is job for one in self.jobs.of(collection.name)):
                self._copies.tidy(collection, self.catalogue.documents(collection))

    def _unchanged(self, collection: Collection, source: Source) -> bool:
        """Whether a file is as it was when it was read last, without reading it."""
        known = self.catalogue.at(collection, source.uri)
        if known is None or known.state == "pending" or source.path is None:
            return False
        try:
            modified = source.path.stat().st_mtime
        except OSError:  # it has just gone; reading it says so
            return False
        return known.modified == modified and known.folder == source.folder

    def _recover(self) -> None:
        """Set right what a killed process left: orphaned and missing vectors, pending documents."""
        for collection in self.catalogue.interrupted():
            clean(collection, self.catalogue, self.passages, self.vectors)
        for collection in self.catalogue.collections():
            pending = [
                one for one in self.catalogue.documents(collection) if one.state == "pending"
            ]
            if pending:
                self.add(collection.name, [source_of(one) for one in pending], what="what is left")


def _cut(query: str, embedder: Embedder) -> str:
    """As much of a question as the embedding model reads; most of it says what it is about."""
    while len(query) > embedder.limit and embedder.count([query])[0] > embedder.limit:
        query = query[: len(query) * 3 // 4]
    return query
