"""Chunks in the database: listed, looked up, and found by their words."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Sequence

from jackfield_plugins.knowledge.database import Database
from jackfield_plugins.knowledge.records import Chunk, Collection, Hit, IndexedDocument

WORD = re.compile(r"\w+")
MOST_WORDS = 64
MOST_MATCHES = 50_000
"""Chunks that the words of a question may match together; its commonest words are left out."""


class Passages:
    """The chunks of all collections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def chunks(
        self, document: IndexedDocument, first: int = 0, count: int = 1_000_000
    ) -> list[Chunk]:
        """Chunks of a document in their order."""
        with self._database.read() as database:
            rows = database.execute(
                "select number, heading, text, page, start, tokens from chunks where document = ? "
                "order by number limit ? offset ?",
                (document.id, count, first),
            ).fetchall()
        return [Chunk(**dict(row)) for row in rows]

    def keys(self, collection: Collection) -> dict[tuple[int, int, int], None]:
        """Document, version and number of each chunk, as an ordered set."""
        with self._database.read() as database:
            rows = database.execute(
                "select document, version, number from chunks where collection = ? "
                "order by document, number",
                (collection.id,),
            )
            return {tuple(row): None for row in rows}

    def hits(
        self, collection: Collection, keys: Sequence[tuple[int, int, int]]
    ) -> dict[tuple[int, int, int], Hit]:
        """Chunks by document, version and number; those of other versions are left out."""
        with self._database.read() as database:  # a cross join keeps SQLite to this order
            rows = database.execute(
                "select c.version, c.document, d.title, d.uri as source, d.kind, c.number, "
                "c.heading, c.text, c.page, c.start, c.tokens from json_each(?) k "
                "cross join chunks c on c.document = k.value ->> 0 and c.number = k.value ->> 2 "
                "join documents d on d.id = c.document "
                "where c.version = k.value ->> 1 and +c.collection = ?",
                (json.dumps(keys), collection.id),
            ).fetchall()
        return {
            (row["document"], row["version"], row["number"]): _hit(collection, row) for row in rows
        }

    def matching(
        self, collection: Collection, query: str, count: int, documents: Sequence[int] | None = None
    ) -> list[tuple[tuple[int, int, int], float]]:
        """The best chunks by BM25, with their scores; higher is better."""
        words = _words(query)
        table = f"words_{collection.id}"
        with self._database.read() as database:
            chosen = _rarest(database, table, words)
            if not chosen:
                return []
            where, values = "", [" OR ".join(f'"{word}"' for word in chosen)]
            if documents is not None:
                where = "and c.document in (select value from json_each(?)) "
                values.append(json.dumps(list(documents)))
            rows = database.execute(
                f"select c.document, c.version, c.number, rank from {table} "
                f"join chunks c on c.id = {table}.rowid where {table} match ? {where}"
                "order by rank limit ?",
                (*values, count),
            ).fetchall()
        return [((row[0], row[1], row[2]), -float(row[3])) for row in rows]

    def weights(self, collection: Collection, query: str) -> dict[str, float]:
        """What each word of a question tells: log(1 + N / n), where n of N chunks hold it."""
        table = f"words_{collection.id}"
        with self._database.read() as database:
            every = database.execute(f"select count(*) from {table}").fetchone()[0]
            counted = _counted(database, table, _words(query))
        return {word: math.log(1 + every / max(1, count)) for count, word in counted}


def _words(query: str) -> list[str]:
    return list(dict.fromkeys(WORD.findall(query.lower())))[:MOST_WORDS]


def _rarest(database: sqlite3.Connection, table: str, words: Sequence[str]) -> list[str]:
    """Words to look for: all, unless the commonest of them match very many chunks."""
    chosen: list[str] = []
    matched = 0
    for count, word in _counted(database, table, words):
        if chosen and matched + count > MOST_MATCHES:
            break
        if count:
            chosen.append(word)
            matched += count
    return chosen


def _counted(
    database: sqlite3.Connection, table: str, words: Sequence[str]
) -> list[tuple[int, str]]:
    """How many chunks hold each word, the rarest first."""
    asked = f"select count(*) from {table} where {table} match ?"
    return sorted((database.execute(asked, (f'"{word}"',)).fetchone()[0], word) for word in words)


def _hit(collection: Collection, row: sqlite3.Row) -> Hit:
    chunk = Chunk(
        number=row["number"],
        heading=row["heading"],
        text=row["text"],
        page=row["page"],
        start=row["start"],
        tokens=row["tokens"],
    )
    return Hit(
        collection=collection.name,
        document=row["document"],
        title=row["title"],
        source=row["source"],
        kind=row["kind"],
        chunk=chunk,
    )
