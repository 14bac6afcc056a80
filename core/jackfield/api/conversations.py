"""``/api/conversations``: chats as trees of messages."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import model_of
from jackfield.application import Application
from jackfield.conversations import Conversation, Node

router = APIRouter(
    prefix="/api/conversations", tags=["conversations"], responses={404: {"model": ErrorResponse}}
)

Chat = model_of(Conversation)


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

    conversation: Chat  # type: ignore[valid-type]  # a class that is made here
    path: list[model_of(Node)] = Field(description="Root to head")  # type: ignore[misc]


@router.get("", response_model=list[Chat])
def list_conversations(app: App, search: str = "", limit: int = 200) -> Any:
    """Conversations, newest first; ``search`` looks in titles and texts."""
    return [msgspec.to_builtins(one) for one in app.conversations.list(search, limit)]


@router.post("", response_model=Chat, status_code=201)
def create_conversation(sent: NewConversation, app: App) -> Any:
    """Begin a conversation."""
    made = app.conversations.create(
        title=sent.title,
        model=sent.model,
        agent_description=sent.agent_description,
        sampling=sent.sampling,
    )
    return msgspec.to_builtins(made)


@router.post("/import", response_model=Chat, status_code=201)
async def import_conversation(request: Request, app: App) -> Any:
    """Take in a conversation that was exported; it becomes a new one."""
    import anyio

    body = await request.body()
    return msgspec.to_builtins(await anyio.to_thread.run_sync(app.conversations.import_, body))


@router.get("/{conversation}", response_model=WholeConversation)
def get_conversation(conversation: str, app: App) -> Any:
    """A conversation with the messages of the path that is shown."""
    found = app.conversations.get(conversation)
    return {
        "conversation": msgspec.to_builtins(found),
        "path": [msgspec.to_builtins(one) for one in app.conversations.path(conversation)],
    }


@router.patch("/{conversation}", response_model=Chat)
def rename_conversation(conversation: str, sent: Rename, app: App) -> Any:
    """Give a conversation another title."""
    app.conversations.rename(conversation, sent.title)
    return _chat(conversation, app)


@router.delete("/{conversation}", response_model=Chat)
def delete_conversation(conversation: str, app: App) -> Any:
    """Put a conversation away; it can be restored."""
    app.conversations.delete(conversation)
    return _chat(conversation, app)


@router.post("/{conversation}/restore", response_model=Chat)
def restore_conversation(conversation: str, app: App) -> Any:
    """Bring a deleted conversation back."""
    app.conversations.restore(conversation)
    return _chat(conversation, app)


@router.get("/{conversation}/export", response_class=Response)
def export_conversation(conversation: str, app: App) -> Response:
    """A conversation with its whole tree, as a JSON file."""
    name = f'attachment; filename="conversation-{conversation}.json"'
    return Response(
        app.conversations.export(conversation),
        media_type="application/json",
        headers={"Content-Disposition": name},
    )


def _chat(conversation: str, app: Application) -> Any:
    return msgspec.to_builtins(app.conversations.get(conversation))
