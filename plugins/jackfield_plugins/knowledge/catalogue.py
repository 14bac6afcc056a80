"""The catalogue: which collections there are, and which documents are in them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Any

import msgspec

from jackfield import InvalidRequest, NotFound
from jackfield_plugins.knowledge.database import Database
from jackfield_plugins.knowledge.reading import Reading
from jackfield_plugins.knowledge.records import (
    Chunk,
    Collection,
    Filters,
    IndexedDocument,
    Source,
)

DOCUMENT = (
    "id, uri, kind, title, digest, modified, size, chunks, state, error, notes, version, folder, "
    "path"
)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A document that was read and cut, to be put in place of what is there of it."""

    document: IndexedDocument
    source: Source
    reading: Reading
    chunks: list[Chunk]

    @property
    def number(self) -> int:
        """How many times the document will have been indexed."""
        return self.document.version + 1

    def key(self, chunk: Chunk) -> tuple[int, int, int]:
        """The key of a chunk's vector."""
        return self.document.id, self.number, chunk.number


class Catalogue:
    """Collections, their documents, watched folders and questions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Collections

    def collections(self) -> list[Collection]:
        """All, by name."""
        with self._database.read() as database:
            rows = database.execute(
                "select id, name, model, dimensions, chunk_tokens, overlap, created, "
                "(select count(*) from documents where collection = c.id) as documents, "
                "(select coalesce(sum(chunks), 0) from documents where collection = c.id) "
                "as chunks from collections c order by name"
            ).fetchall()
            folders = database.execute("select collection, path from folders").fetchall()
        return [
            Collection(
                **dict(row),
                folders=tuple(path for collection, path in folders if collection == row["id"]),
            )
            for row in rows
        ]

    def collection(self, name: str) -> Collection:
        """The collection of that name.

        Raises:
            NotFound: there is none.
        """
        found = self.collections()
        for one in found:
            if one.name == name:
                return one
        there = ", ".join(repr(one.name) for one in found)
        raise NotFound(
            f"There is no collection {name!r}.",
            hint=f"There are: {there}." if there else "Create one on the page Knowledge.",
            name=name,
        )

    def create(
        self,
        name: str,
        model: str,
        dimensions: int,
        probe: bytes,
        *,
        chunk_tokens: int,
        overlap: int,
    ) -> Collection:
        """Add a collection.

        Raises:
            InvalidRequest: there is one of that name.
        """
        values = (name, model, dimensions, probe, chunk_tokens, overlap, time.time())
        try:
            with self._database.write() as database:
                made = database.execute(
                    "insert into collections (name, model, dimensions, probe, chunk_tokens, "
                    "overlap, created) values (?, ?, ?, ?, ?, ?, ?)",
                    values,
                ).lastrowid
                database.execute(
                    f"create virtual table words_{made} using fts5 (heading, text, "
                    "content='chunks', content_rowid='id', "
                    "tokenize='porter unicode61 remove_diacritics 2')"
                )
        except sqlite3.IntegrityError as error:
            raise InvalidRequest(
                f"There is a collection {name!r} already.",
                hint="Choose another name.",
                param="name",
            ) from error
        return self.collection(name)

    def delete(self, collection: Collection) -> None:
        """Remove a collection with all that is in it."""
        with self._database.write() as database:
            database.execute(f"drop table if exists words_{collection.id}")
            database.execute("delete from collections where id = ?", (collection.id,))

    def change(self, collection: Collection, *, chunk_tokens: int, overlap: int) -> Collection:
        """Change how documents are cut from now on."""
        with self._database.write() as database:
            database.execute(
                "update collections set chunk_tokens = ?, overlap = ? where id = ?",
                (chunk_tokens, overlap, collection.id),
            )
        return self.collection(collection.name)

    def probe(self, collection: Collection) -> bytes:
        """The vector that the embedding model gave the sentence it is recognized by."""
        with self._database.read() as database:
            row = database.execute(
                "select probe from collections where id = ?", (collection.id,)
            ).fetchone()
        return bytes(row[0])

    def mark(self, collection: Collection, *, writing: bool) -> None:
        """Note that somebody begins to write vectors, or has written all that belong here."""
        with self._database.write() as database:
            database.execute(
                "update collections set writing = max(0, writing + ?) where id = ?",
                (1 if writing else -1, collection.id),
            )

    def clear_mark(self, collection: Collection) -> None:
        """Note that nobody writes."""
        with self._database.write() as database:
            database.execute("update collections set writing = 0 where id = ?", (collection.id,))

    def interrupted(self) -> list[Collection]:
        """Collections whose vectors were being written when the program ended."""
        with self._database.read() as database:
            ids = {row[0] for row in database.execute("select id from collections where writing")}
        return [one for one in self.collections() if one.id in ids]

    def watch(self, collection: Collection, folder: str, *, on: bool = True) -> None:
        """Note that a folder is watched, or no longer."""
        with self._database.write() as database:
            if on:
                database.execute(
                    "insert or ignore into folders values (?, ?)", (collection.id, folder)
                )
            else:
                database.execute(
                    "delete from folders where collection = ? and path = ?", (collection.id, folder)
                )

    # Documents

    def documents(
        self, collection: Collection, filters: Filters | None = None
    ) -> list[IndexedDocument]:
        """Documents of a collection, by title."""
        with self._database.read() as database:
            rows = database.execute(
                f"select {DOCUMENT} from documents where collection = ? order by title, id",
                (collection.id,),
            ).fetchall()
        found = [IndexedDocument(**dict(row)) for row in rows]
        return [one for one in found if _passes(one, filters)] if filters else found

    def document(self, collection: Collection, number: int) -> IndexedDocument:
        """One document.

        Raises:
            NotFound: the collection has none of that number.
        """
        return self._one(collection, "id", number)

    def at(self, collection: Collection, uri: str) -> IndexedDocument | None:
        """The document that came from there."""
        try:
            return self._one(collection, "uri", uri)
        except NotFound:
            return None

    def same(self, collection: Collection, digest: str) -> IndexedDocument | None:
        """A document that is searchable and has the same content."""
        with self._database.read() as database:
            row = database.execute(
                f"select {DOCUMENT} from documents where collection = ? and digest = ? "
                "and state = 'ready'",
                (collection.id, digest),
            ).fetchone()
        return IndexedDocument(**dict(row)) if row else None

    def begin(self, collection: Collection, sources: Sequence[Source]) -> None:
        """List new documents as pending, so that they are indexed also after a crash."""
        with self._database.write() as database:
            database.executemany(
                "insert or ignore into documents (collection, uri, kind, title, folder, path) "
                "values (?, ?, ?, ?, ?, ?)",
                [
                    (collection.id, one.uri, one.kind, one.name, one.folder, _path(one))
                    for one in sources
                ],
            )

    def forget_new(self, collection: Collection, uris: Sequence[str]) -> None:
        """Take those of these documents off the list that were never indexed."""
        with self._database.write() as database:
            database.executemany(
                "delete from documents where collection = ? and uri = ? and version = 0 "
                "and state = 'pending'",
                [(collection.id, uri) for uri in uris],
            )

    def settle(self, document: IndexedDocument, **values: Any) -> None:
        """Set columns of a document."""
        columns = ", ".join(f"{name} = ?" for name in values)
        with self._database.write() as database:
            database.execute(
                f"update documents set {columns} where id = ?", (*values.values(), document.id)
            )

    def switch(self, collection: Collection, versions: Sequence[Version]) -> set[int]:
        """Put the chunks of new versions in place of the old, in one transaction.

        Returns:
            The documents of which that was done: the others were removed in the meantime.
        """
        done: set[int] = set()
        with self._database.write() as database:
            for one in versions:
                number = one.document.id
                there = database.execute("select 1 from documents where id = ?", (number,))
                if there.fetchone() is None:
                    continue
                self._forget(database, collection.id, number)
                self._put(database, collection.id, one)
                done.add(number)
        return done

    def _put(self, database: sqlite3.Connection, collection: int, new: Version) -> None:
        number, reading = new.document.id, new.reading
        database.executemany(
            "insert into chunks (collection, document, version, number, heading, text, page, "
            "start, tokens) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    collection,
                    number,
                    new.number,
                    one.number,
                    one.heading,
                    one.text,
                    one.page,
                    one.start,
                    one.tokens,
                )
                for one in new.chunks
            ],
        )
        database.execute(
            f"insert into words_{collection} (rowid, heading, text) "
            "select id, heading, text from chunks where document = ?",
            (number,),
        )
        values = {
            "state": "ready",
            "error": "",
            "version": new.number,
            "chunks": len(new.chunks),
            "title": reading.document.title or new.source.name,
            "digest": reading.digest,
            "modified": reading.modified,
            "size": reading.size,
            "notes": " ".join(reading.document.notes),
            "kind": new.source.kind,
            "folder": new.source.folder,
            "path": _path(new.source),
        }
        columns = ", ".join(f"{name} = ?" for name in values)
        database.execute(f"update documents set {columns} where id = ?", (*values.values(), number))

    def remove(self, collection: Collection, document: IndexedDocument) -> None:
        """Remove a document with its chunks."""
        with self._database.write() as database:
            self._forget(database, collection.id, document.id)
            database.execute("delete from documents where id = ?", (document.id,))

    # Questions

    def questions(self, collection: Collection) -> list[tuple[str, str, str]]:
        """Question, expected document and expected text of each."""
        with self._database.read() as database:
            rows = database.execute(
                "select question, document, snippet from questions where collection = ? "
                "order by id",
                (collection.id,),
            ).fetchall()
        return [(row[0], row[1], row[2]) for row in rows]

    def set_questions(
        self, collection: Collection, questions: Sequence[tuple[str, str, str]]
    ) -> None:
        """Put questions in place of those that are there."""
        with self._database.write() as database:
            database.execute("delete from questions where collection = ?", (collection.id,))
            database.executemany(
                "insert into questions (collection, question, document, snippet) "
                "values (?, ?, ?, ?)",
                [(collection.id, *one) for one in questions],
            )

    # Inside

    def _one(self, collection: Collection, column: str, value: str | int) -> IndexedDocument:
        with self._database.read() as database:
            row = database.execute(
                f"select {DOCUMENT} from documents where collection = ? and {column} = ?",
                (collection.id, value),
            ).fetchone()
        if row is None:
            raise NotFound(f"The collection {collection.name!r} has no document {value!r}.")
        return IndexedDocument(**dict(row))

    def _forget(self, database: sqlite3.Connection, collection: int, document: int) -> None:
        table = f"words_{collection}"
        database.execute(
            f"insert into {table} ({table}, rowid, heading, text) "
            "select 'delete', id, heading, text from chunks where document = ?",
            (document,),
        )
        database.execute("delete from chunks where document = ?", (document,))


def _passes(document: IndexedDocument, filters: Filters) -> bool:
    names = (document.uri, document.title, document.uri.rpartition("/")[2])
    return (
        (not filters.source or any(fnmatch(name, filters.source) for name in names))
        and filters.title.lower() in document.title.lower()
        and (not filters.kind or document.kind == filters.kind)
    )


def _path(source: Source) -> str:
    return str(source.path) if source.path else ""
