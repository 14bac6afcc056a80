"""The database that collections are listed in.

SQLite's FTS5 keeps the index of words with the chunks in one transaction and ranks by BM25.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

TABLES = """
create table if not exists collections (
    id integer primary key autoincrement, name text not null unique, model text not null,
    dimensions integer not null, probe blob not null, chunk_tokens integer not null,
    overlap integer not null, created real not null, writing integer not null default 0
);
create table if not exists documents (
    id integer primary key autoincrement,
    collection integer not null references collections on delete cascade,
    uri text not null, kind text not null, title text not null, digest text not null default '',
    modified real not null default 0, size integer not null default 0,
    chunks integer not null default 0, state text not null default 'pending',
    error text not null default '', notes text not null default '',
    version integer not null default 0, folder text not null default '',
    path text not null default '', unique (collection, uri)
);
create table if not exists chunks (
    id integer primary key, collection integer not null references collections on delete cascade,
    document integer not null references documents on delete cascade, version integer not null,
    number integer not null, heading text not null, text text not null, page integer not null,
    start integer not null, tokens integer not null
);
create index if not exists chunks_of_documents on chunks (document, number);
create index if not exists chunks_of_collections on chunks (collection, document);
create table if not exists folders (
    collection integer not null references collections on delete cascade, path text not null,
    primary key (collection, path)
);
create table if not exists questions (
    id integer primary key autoincrement,
    collection integer not null references collections on delete cascade,
    question text not null, document text not null, snippet text not null
);
"""


IDLE = 4
"""Connections that are kept open; opening one takes as long as a short question."""


class Database:
    """Every use has a connection to itself, so any thread may ask; one at a time writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._writing = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.write() as database:
            database.execute("pragma journal_mode = wal")
            database.executescript(TABLES)

    def close(self) -> None:
        """Let go of the file."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for one use, kept for the next."""
        try:
            database = self._idle.pop()
        except IndexError:
            database = self._connected()
        try:
            yield database
        except BaseException:
            database.close()
            raise
        if self._closed or len(self._idle) >= IDLE:
            database.close()
        else:
            self._idle.append(database)

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=30, check_same_thread=False)
        database.row_factory = sqlite3.Row
        database.execute("pragma foreign_keys = on")
        database.execute("pragma synchronous = normal")
        return database

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction."""
        with self._writing, self.read() as database, database:
            yield database
