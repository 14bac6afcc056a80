"""The tables of the conversations database."""

from __future__ import annotations

from sqlalchemy import (
    Column,
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

from jackfield.errors import JackfieldError

VERSION = 1
METADATA = MetaData()

SCHEMA = Table("schema_version", METADATA, Column("version", Integer, nullable=False))

CONVERSATIONS = Table(
    "conversations",
    METADATA,
    Column("id", String, primary_key=True),
    Column("title", Text, nullable=False),
    Column("titled", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Column("head", String),
    Column("model", String, nullable=False),
    Column("agent_description", Text, nullable=False),
    Column("sampling", Text, nullable=False),
    Column("template", String, nullable=False),
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
    Column("text", Text, nullable=False),
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
    engine = create_engine(url, connect_args={"timeout": 30} if "sqlite" in url else {})
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
    with engine.begin() as connection:
        if inspect(connection).has_table("schema_version"):
            version = connection.execute(SCHEMA.select()).scalar_one()
            if version > VERSION:
                raise JackfieldError(
                    f"The conversations in {url!r} were written by a newer Jackfield (version "
                    f"{version} of the tables; this one knows {VERSION}).",
                    hint="Update Jackfield, or choose another data folder with --home.",
                )
        else:
            METADATA.create_all(connection)
            connection.execute(SCHEMA.insert().values(version=VERSION))
    return engine


def _set_up_sqlite(connection: object, _record: object) -> None:
    """Write-ahead logging lets others read while one writes; foreign keys are off by default."""
    cursor = connection.cursor()  # type: ignore[attr-defined] # the driver's own connection
    for pragma in ("journal_mode=wal", "synchronous=normal", "foreign_keys=on"):
        cursor.execute(f"pragma {pragma}")
    cursor.close()
