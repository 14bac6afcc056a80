"""Chats as trees of messages, in a database.

A chat has a head, the last message that is shown. Editing or regenerating adds a message beside
another, under the same parent: its versions. Nothing is overwritten but a reply that is being
written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias
from uuid import uuid4

import msgspec
from sqlalchemy import Engine, delete, or_, select, update

from jackfield.conversations.model import Conversation, Export, Node, State
from jackfield.conversations.rows import (
    AS_JSON,
    below,
    change,
    conversation_row,
    insert_conversation,
    insert_node,
    node_row,
    node_rows,
    sibling_rows,
    title_of,
    to_conversation,
    to_node,
)
from jackfield.conversations.tables import CONVERSATIONS, NODES, open_database, writing
from jackfield.errors import ConversationNotFound, InvalidRequest
from jackfield.messages import Message, UsageEvent
from jackfield.trace import Trace

Nodes: TypeAlias = list[Node]
Ids: TypeAlias = list[str]
INTERRUPTED = "The server ended while this reply was being written."


class Conversations:
    """Reads and writes chats; threads and processes may do so at once.

    Args:
        url: a database as SQLAlchemy names it, e.g. ``sqlite:////home/me/jackfield.db``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _engine(self) -> Engine:
        return open_database(self._url)

    def close(self) -> None:
        """Close the database; it is opened again when next used."""
        engine = self.__dict__.pop("_engine", None)
        if engine is not None:
            engine.dispose()

    # Conversations

    def create(
        self,
        *,
        title: str = "",
        model: str = "",
        agent_description: str = "",
        sampling: dict[str, Any] | None = None,
        template: str = "",
        options: dict[str, dict[str, Any]] | None = None,
        tools: Sequence[str] = (),
    ) -> Conversation:
        """Begin a chat. Without a title it takes its first message's words."""
        now = time.time()
        made = Conversation(
            id=uuid4().hex,
            title=title,
            created=now,
            updated=now,
            model=model,
            agent_description=agent_description,
            sampling=sampling or {},
            template=template,
            options=options or {},
            tools=[*tools],
        )
        with writing(self._engine) as connection:
            insert_conversation(connection, made, titled=bool(title))
        return made

    def get(self, id_: str) -> Conversation:
        """One chat.

        Raises:
            ConversationNotFound: there is none.
        """
        with self._engine.connect() as connection:
            return to_conversation(conversation_row(connection, id_))

    def list(
        self, search: str = "", *, limit: int = 200, deleted: bool = False
    ) -> list[Conversation]:
        """Chats, the latest first; those with the searched words in a title or message."""
        query = select(CONVERSATIONS).where(CONVERSATIONS.c.deleted == int(deleted))
        for word in search.casefold().split():
            in_text = NODES.c.search.contains(word, autoescape=True)
            in_title = CONVERSATIONS.c.search.contains(word, autoescape=True)
            inside = select(NODES.c.conversation).where(in_text)
            query = query.where(or_(in_title, CONVERSATIONS.c.id.in_(inside)))
        query = query.order_by(CONVERSATIONS.c.updated.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [to_conversation(row) for row in connection.execute(query)]

    def rename(self, id_: str, title: str) -> None:
        """Give a chat a title; an empty one is refused."""
        if not title.strip():
            raise InvalidRequest("A chat needs a title of at least one letter.", param="title")
        self._update(id_, title=title.strip()[:500], titled=1)

    def update(self, id_: str, **fields: Any) -> None:
        """Change fields of a chat: those of a new one but the title, and ``head``.

        Raises:
            ConversationNotFound: there is no such chat, or no such message in it.
        """
        allowed = {"model", "agent_description", "template", "head", *AS_JSON}
        if wrong := set(fields) - allowed:
            raise InvalidRequest(f"A chat has no {sorted(wrong)[0]!r} that can be changed.")
        fields |= {name: json.dumps(fields[name]) for name in AS_JSON if name in fields}
        if (head := fields.get("head")) is not None and self.node(head).conversation != id_:
            raise ConversationNotFound(f"Message {head!r} is not in this chat.")
        self._update(id_, **fields)

    def delete(self, id_: str) -> None:
        """Put a chat aside; :meth:`restore` brings it back."""
        self._update(id_, deleted=1)

    def restore(self, id_: str) -> None:
        """Bring a deleted chat back."""
        self._update(id_, deleted=0)

    def purge(self, id_: str) -> None:
        """Remove a chat and its messages for good."""
        with writing(self._engine) as connection:
            conversation_row(connection, id_)
            connection.execute(delete(CONVERSATIONS).where(CONVERSATIONS.c.id == id_))

    def recover(self) -> int:
        """Mark replies that a killed server left half-written as failed, text kept.

        For the one server of the data folder, at its start. Returns how many there were.
        """
        with writing(self._engine) as connection:
            changed = connection.execute(
                update(NODES)
                .where(NODES.c.state == "streaming")
                .values(state="failed", error=INTERRUPTED)
            )
            return changed.rowcount

    # Messages

    def add(
        self,
        conversation: str,
        parent: str | None,
        message: Message,
        *,
        model: str = "",
        state: State = "complete",
    ) -> Node:
        """Add a message under another, and make it the head.

        Raises:
            ConversationNotFound: there is no such chat, or no such parent in it.
        """
        node = Node(
            id=uuid4().hex,
            conversation=conversation,
            parent=parent,
            message=message,
            created=time.time(),
            model=model,
            state=state,
        )
        with writing(self._engine) as connection:
            row = conversation_row(connection, conversation)
            if parent is not None and node_row(connection, parent).conversation != conversation:
                raise ConversationNotFound(f"Message {parent!r} is not in this chat.")
            insert_node(connection, node)
            values: dict[str, Any] = {"head": node.id, "updated": node.created}
            if not row.titled and not row.title and message.role == "user":
                values["title"] = title_of(message.text)
            change(connection, conversation, values)
        return node

    def node(self, node_id: str) -> Node:
        """One message.

        Raises:
            ConversationNotFound: there is none.
        """
        with self._engine.connect() as connection:
            return to_node(node_row(connection, node_id))

    def write(
        self,
        node_id: str,
        *,
        message: Message | None = None,
        state: State | None = None,
        trace: Trace | None = None,
        usage: UsageEvent | None = None,
        error: str | None = None,
    ) -> None:
        """Change what is given of a reply that is being written."""
        values: dict[str, Any] = {}
        if message is not None:
            values |= {"message": msgspec.json.encode(message), "search": message.text.casefold()}
        if trace is not None:
            values |= {"trace": msgspec.json.encode(trace), "turn": trace.turn_id}
        if usage is not None:
            values["usage"] = msgspec.json.encode(usage)
        if state is not None:
            values["state"] = state
        if error is not None:
            values["error"] = error
        with writing(self._engine) as connection:
            connection.execute(update(NODES).where(NODES.c.id == node_id).values(**values))

    def path(self, conversation: str, head: str | None = None) -> Nodes:
        """Messages from the first to the head (or another), in order."""
        with self._engine.connect() as connection:
            at = head or conversation_row(connection, conversation).head
            rows = {row.id: row for row in node_rows(connection, conversation)}
        found = []
        while at in rows:
            found.append(to_node(rows[at]))
            at = rows[at].parent
        return found[::-1]

    def siblings(self, node_id: str) -> Nodes:
        """A message's versions, the oldest first, itself among them."""
        with self._engine.connect() as connection:
            return [to_node(row) for row in sibling_rows(connection, node_id)]

    def versions(self, conversation: str) -> dict[str, Ids]:
        """For each message of a chat the ids of its versions, the oldest first."""
        query = (
            select(NODES.c.id, NODES.c.parent)
            .where(NODES.c.conversation == conversation)
            .order_by(NODES.c.number)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        by_parent: dict[str | None, Ids] = {}
        for row in rows:
            by_parent.setdefault(row.parent, []).append(row.id)
        return {row.id: by_parent[row.parent] for row in rows}

    def select(self, conversation: str, node_id: str) -> None:
        """Show the path through a message: the head becomes the latest message under it."""
        with writing(self._engine) as connection:
            children: dict[str | None, str] = {}
            for row in node_rows(connection, conversation):
                children[row.parent] = row.id  # the latest wins
            at = node_id
            while at in children:
                at = children[at]
            change(connection, conversation, {"head": at})

    def branch(self, conversation: str, node_id: str) -> Conversation:
        """A new chat with the path up to a message."""
        nodes = self.path(conversation, node_id)
        old = self.get(conversation)
        return self._copy(
            msgspec.structs.replace(old, title=f"{old.title} (branch)"), nodes, node_id
        )

    def delete_node(self, node_id: str) -> None:
        """Remove a message and all that follows it; the head moves to the version before it."""
        with writing(self._engine) as connection:
            row = node_row(connection, node_id)
            others = [one.id for one in sibling_rows(connection, node_id) if one.id != node_id]
            gone = below(connection, row.conversation, node_id)
            connection.execute(delete(NODES).where(NODES.c.id.in_(gone)))
            head = conversation_row(connection, row.conversation).head
            if head in gone:
                change(connection, row.conversation, {"head": row.parent})
        if head in gone and others:
            self.select(row.conversation, others[-1])

    def trace(self, turn_id: str) -> Trace | None:
        """What was done to a turn; None when no saved message came of it."""
        query = select(NODES.c.trace).where(NODES.c.turn == turn_id)
        with self._engine.connect() as connection:
            found = connection.execute(query).scalar()
        return msgspec.json.decode(found, type=Trace) if found else None

    # Files

    def export(self, id_: str) -> bytes:
        """A chat with its whole tree, as JSON."""
        with self._engine.connect() as connection:
            nodes = [to_node(row) for row in node_rows(connection, id_)]
        return msgspec.json.encode(Export(conversation=self.get(id_), nodes=nodes))

    def import_(self, data: bytes) -> Conversation:
        """A chat from what :meth:`export` gave, as a new one.

        Raises:
            InvalidRequest: it is not such a file.
        """
        try:
            given = msgspec.json.decode(data, type=Export)
        except msgspec.DecodeError as error:
            raise InvalidRequest(
                f"This is not an exported chat: {error}.",
                hint="Choose a file that 'export' of a chat has written.",
            ) from error
        known: set[str | None] = {None}
        for node in given.nodes:
            if node.parent not in known or node.id in known:
                raise InvalidRequest(
                    f"This exported chat is broken at message {node.id!r}: a message before it is "
                    "missing, or it is there twice.",
                    hint="Export it again.",
                )
            known.add(node.id)
        last = given.nodes[-1].id if given.nodes else None
        head = given.conversation.head
        return self._copy(given.conversation, given.nodes, head if head in known else last)

    def _copy(self, old: Conversation, nodes: Sequence[Node], head: str | None) -> Conversation:
        """A new chat with copies of messages under new ids; nobody goes on writing them."""
        now = time.time()
        ids = {node.id: uuid4().hex for node in nodes}
        new = msgspec.structs.replace(
            old, id=uuid4().hex, head=ids.get(head or ""), created=now, updated=now, deleted=False
        )
        with writing(self._engine) as connection:
            insert_conversation(connection, new, titled=True)
            for node in nodes:
                copy = msgspec.structs.replace(
                    node,
                    id=ids[node.id],
                    conversation=new.id,
                    parent=ids.get(node.parent or ""),
                    state="cancelled" if node.state == "streaming" else node.state,
                )
                insert_node(connection, copy)
        return new

    def _update(self, id_: str, **values: Any) -> None:
        with writing(self._engine) as connection:
            conversation_row(connection, id_)
            change(connection, id_, values)
