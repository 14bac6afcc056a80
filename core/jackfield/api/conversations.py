"""``/api/conversations``: chats as trees of messages."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import Shown
from jackfield.conversations import Conversation, Node

router = APIRouter(
    prefix="/api/conversations", tags=["conversations"], responses={404: {"model": ErrorResponse}}
)

Chat: TypeAlias = Shown[Conversation]


class NewConversation(BaseModel):
    """What a conversation begins with."""

    title: str = ""
    model: str = ""
    agent_description: str = Field("", description="Tells the model who it is (system message)")
    sampling: dict[str, Any] = {}


class Rename(BaseModel):
    """A new title."""

    title: str = Field(min_length=1, max_length=500)


class WholeConversation(BaseModel):
    """A conversation and the messages of the path that is shown."""

    conversation: Chat
    path: list[Shown[Node]] = Field(description="Root to head")


@router.get("")
def list_conversations(
    app: App, search: str = "", limit: Annotated[int, Query(ge=1, le=100_000)] = 200
) -> list[Chat]:
    """Conversations, newest first; ``search`` looks in titles and texts."""
    return app.conversations.list(search, limit=limit)


@router.post("", status_code=201)
def create_conversation(sent: NewConversation, app: App) -> Chat:
    """Begin a conversation."""
    return app.conversations.create(
        title=sent.title,
        model=sent.model,
        agent_description=sent.agent_description,
        sampling=sent.sampling,
    )


@router.post("/import", status_code=201)
async def import_conversation(request: Request, app: App) -> Chat:
    """Take in a conversation that was exported; it becomes a new one."""
    body = await request.body()
    return await anyio.to_thread.run_sync(app.conversations.import_, body)


@router.get("/{conversation}")
def get_conversation(conversation: str, app: App) -> WholeConversation:
    """A conversation with the messages of the path that is shown."""
    found = app.conversations.get(conversation)
    return WholeConversation(conversation=found, path=app.conversations.path(conversation))


@router.patch("/{conversation}")
def rename_conversation(conversation: str, sent: Rename, app: App) -> Chat:
    """Give a conversation another title."""
    app.conversations.rename(conversation, sent.title)
    return app.conversations.get(conversation)


@router.delete("/{conversation}")
def delete_conversation(conversation: str, app: App) -> Chat:
    """Put a conversation away; it can be restored."""
    app.conversations.delete(conversation)
    return app.conversations.get(conversation)


@router.post("/{conversation}/restore")
def restore_conversation(conversation: str, app: App) -> Chat:
    """Bring a deleted conversation back."""
    app.conversations.restore(conversation)
    return app.conversations.get(conversation)


@router.get("/{conversation}/export", response_class=Response)
def export_conversation(conversation: str, app: App) -> Response:
    """A conversation with its whole tree, as a JSON file."""
    name = f'attachment; filename="conversation-{conversation}.json"'
    return Response(
        app.conversations.export(conversation),
        media_type="application/json",
        headers={"Content-Disposition": name},
    )
