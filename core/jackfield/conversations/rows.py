"""Rows of the database, and the objects made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select, update

from jackfield.conversations.model import Conversation, Node
from jackfield.conversations.tables import CONVERSATIONS, NODES
from jackfield.errors import ConversationNotFound
from jackfield.messages import Message, UsageEvent
from jackfield.trace import Trace

TITLE_LENGTH = 60
AS_JSON = ("sampling", "options", "tools")
"""Columns of a chat that are kept as JSON."""


def conversation_row(connection: Connection, id_: str) -> Row[Any]:
    """The row of a chat.

    Raises:
        ConversationNotFound: there is none.
    """
    row = connection.execute(select(CONVERSATIONS).where(CONVERSATIONS.c.id == id_)).first()
    if row is None:
        raise ConversationNotFound(f"There is no chat {id_!r}.", hint="It may have been deleted.")
    return row


def node_row(connection: Connection, id_: str) -> Row[Any]:
    """The row of a message.

    Raises:
        ConversationNotFound: there is none.
    """
    row = connection.execute(select(NODES).where(NODES.c.id == id_)).first()
    if row is None:
        raise ConversationNotFound(f"There is no message {id_!r}.", hint="It may be deleted.")
    return row


def node_rows(connection: Connection, conversation: str) -> Sequence[Row[Any]]:
    """All messages of a chat, the oldest first."""
    query = select(NODES).where(NODES.c.conversation == conversation).order_by(NODES.c.number)
    return connection.execute(query).all()


def sibling_rows(connection: Connection, node_id: str) -> Sequence[Row[Any]]:
    """A message and its other versions, the oldest first."""
    row = node_row(connection, node_id)
    query = (
        select(NODES)
        .where(NODES.c.conversation == row.conversation, NODES.c.parent == row.parent)
        .order_by(NODES.c.number)
    )
    if row.parent is None:
        query = (
            select(NODES)
            .where(NODES.c.conversation == row.conversation, NODES.c.parent.is_(None))
            .order_by(NODES.c.number)
        )
    return connection.execute(query).all()


def below(connection: Connection, conversation: str, node_id: str) -> set[str]:
    """A message and all that follow it."""
    found = {node_id}
    for row in node_rows(connection, conversation):  # the oldest first: parents before children
        if row.parent in found:
            found.add(row.id)
    return found


def change(connection: Connection, id_: str, values: dict[str, Any]) -> None:
    """Change columns of a chat."""
    if "title" in values:
        values = {**values, "search": values["title"].casefold()}
    connection.execute(update(CONVERSATIONS).where(CONVERSATIONS.c.id == id_).values(**values))


def insert_conversation(connection: Connection, made: Conversation, *, titled: bool) -> None:
    """Write a new chat."""
    values = msgspec.structs.asdict(made)
    values |= {name: json.dumps(values[name]) for name in AS_JSON}
    values["deleted"] = int(made.deleted)
    values["search"] = made.title.casefold()
    connection.execute(CONVERSATIONS.insert().values(**values, titled=int(titled)))


def insert_node(connection: Connection, node: Node) -> None:
    """Write a new message, after all others of its chat."""
    inside = NODES.c.conversation == node.conversation
    last = connection.execute(select(func.max(NODES.c.number)).where(inside)).scalar()
    connection.execute(
        NODES.insert().values(
            id=node.id,
            conversation=node.conversation,
            parent=node.parent,
            number=(last or 0) + 1,
            message=msgspec.json.encode(node.message),
            search=node.message.text.casefold(),
            created=node.created,
            model=node.model,
            state=node.state,
            turn=node.trace.turn_id if node.trace else None,
            trace=msgspec.json.encode(node.trace) if node.trace else None,
            usage=msgspec.json.encode(node.usage) if node.usage else None,
            error=node.error,
        )
    )


def to_conversation(row: Row[Any]) -> Conversation:
    """A chat from its row."""
    return Conversation(
        id=row.id,
        title=row.title,
        created=row.created,
        updated=row.updated,
        head=row.head,
        model=row.model,
        agent_description=row.agent_description,
        sampling=json.loads(row.sampling),
        template=row.template,
        options=json.loads(row.options),
        tools=json.loads(row.tools),
        deleted=bool(row.deleted),
    )


def to_node(row: Row[Any]) -> Node:
    """A message from its row."""
    return Node(
        id=row.id,
        conversation=row.conversation,
        parent=row.parent,
        message=msgspec.json.decode(row.message, type=Message),
        created=row.created,
        model=row.model,
        state=row.state,
        trace=msgspec.json.decode(row.trace, type=Trace) if row.trace else None,
        usage=msgspec.json.decode(row.usage, type=UsageEvent) if row.usage else None,
        error=row.error,
    )


def title_of(text: str) -> str:
    """The first words of a message, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= TITLE_LENGTH:
        return line
    return line[:TITLE_LENGTH].rsplit(" ", 1)[0] + "…"
