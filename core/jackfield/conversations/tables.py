"""The tables of the conversations database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    inspect,
)
from sqlalchemy.exc import DBAPIError

from jackfield.errors import JackfieldError

VERSION = 2
METADATA = MetaData()
"""``search`` columns hold a title or text with its case folded, as no two databases fold alike."""

SCHEMA = Table("schema_version", METADATA, Column("version", Integer, nullable=False))

CONVERSATIONS = Table(
    "conversations",
    METADATA,
    Column("id", String, primary_key=True),
    Column("title", Text, nullable=False),
    Column("titled", Integer, nullable=False),
    Column("search", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Column("head", String),
    Column("model", String, nullable=False),
    Column("agent_description", Text, nullable=False),
    Column("sampling", Text, nullable=False),
    Column("template", String, nullable=False),
    Column("options", Text, nullable=False, server_default="{}"),
    Column("tools", Text, nullable=False, server_default="[]"),
    Column("deleted", Integer, nullable=False),
    Index("conversations_by_time", "deleted", "updated"),
)

NODES = Table(
    "nodes",
    METADATA,
    Column("id", String, primary_key=True),
    Column(
        "conversation",
        String,
        ForeignKey("conversations.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("parent", String),
    Column("number", Integer, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("search", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("model", String, nullable=False),
    Column("state", String, nullable=False),
    Column("turn", String),
    Column("trace", LargeBinary),
    Column("usage", LargeBinary),
    Column("error", Text, nullable=False),
    Index("nodes_by_conversation", "conversation", "number"),
    Index("nodes_by_parent", "parent"),
    Index("nodes_by_turn", "turn"),
    Index("nodes_by_state", "state"),
)


def open_database(url: str) -> Engine:
    """Open a database, making its tables if it is new.

    Raises:
        JackfieldError: it was written by a newer Jackfield, or cannot be opened.
    """
    engine = create_engine(url, connect_args={"timeout": 30} if url.startswith("sqlite") else {})
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
    try:
        with writing(engine) as connection:
            _make_tables(connection, url)
    except DBAPIError as error:
        engine.dispose()
        raise JackfieldError(
            f"The conversations in {url!r} cannot be opened: {error.orig}.",
            hint="If the file is damaged, move it away (with the files beside it that begin with "
            "its name) or put back a copy; Jackfield makes a new one.",
        ) from error
    except JackfieldError:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes; what it reads stays true until its end.

    SQLite would otherwise lock the database at the first change only, after another process may
    have changed what was read.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("begin immediate")
        yield connection


def _make_tables(connection: Connection, url: str) -> None:
    if not inspect(connection).has_table("schema_version"):
        METADATA.create_all(connection)
        connection.execute(SCHEMA.insert().values(version=VERSION))
        return
    version = connection.execute(SCHEMA.select()).scalar_one()
    if version > VERSION:
        raise JackfieldError(
            f"The conversations in {url!r} were written by a newer Jackfield (version {version} "
            f"of the tables; this one knows {VERSION}).",
            hint="Update Jackfield, or choose another data folder with --home.",
        )
    if version < 2:
        for column, empty in (("options", "{}"), ("tools", "[]")):
            connection.exec_driver_sql(
                f"alter table conversations add column {column} text not null default '{empty}'"
            )
    if version < VERSION:
        connection.execute(SCHEMA.update().values(version=VERSION))


def _set_up_sqlite(connection: object, _record: object) -> None:
    """Write-ahead logging lets others read while one writes; foreign keys are off by default."""
    cursor = connection.cursor()  # type: ignore[attr-defined] # the driver's own connection
    for pragma in ("journal_mode=wal", "synchronous=normal", "foreign_keys=on"):
        cursor.execute(f"pragma {pragma}")
    cursor.close()
