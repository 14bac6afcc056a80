"""What a person does to a chat: send, regenerate, continue, edit, delete, branch, choose.

Each is a callback of a widget: it changes the tree of messages or starts a reply's job, and the
page is drawn from that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeAlias
from uuid import uuid4

from jackfield.application import Application
from jackfield.conversations import Conversation, Node
from jackfield.dashboard.chat import shown
from jackfield.errors import InvalidRequest, JackfieldError
from jackfield.messages import message
from jackfield.pipeline import Turn
from jackfield.sampling import SamplingParams

STOP_WAIT = 10.0  # seconds for a reply that is being stopped to end

P = ParamSpec("P")
OnMessage: TypeAlias = Callable[[Application, Conversation, Node], None]


def _action(
    work: Callable[Concatenate[Application, Conversation, P], None],
) -> Callable[Concatenate[Application, Conversation, P], None]:
    """A callback that ends the running reply first, and whose errors the page shows."""

    @wraps(work)
    def action(app: Application, chat: Conversation, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            chat = shown.latest(app, chat)
            end_running(app, chat)
            work(app, shown.latest(app, chat), *args, **kwargs)
        except JackfieldError as error:
            shown.told(error)

    return action


def end_running(app: Application, chat: Conversation) -> None:
    """Stop the chat's reply if one is being written, and wait for its end."""
    job = app.jobs.get(chat.id) if chat.id else None
    if job is not None and not job.done:
        job.cancel()
        for _ in job.follow(len(job.events), STOP_WAIT):
            pass


@_action
def send(app: Application, chat: Conversation, text: str) -> None:
    """Add the user's message and begin the reply."""
    if not text.strip():
        raise InvalidRequest("The message is empty.", hint="Type something to send.")
    if not chat.model:
        raise InvalidRequest("There is no model to answer.", hint="Get one on the Models page.")
    chat = shown.saved(app, chat)
    node = app.conversations.add(chat.id, chat.head, message("user", text))
    answer(app, chat, node)


@_action
def regenerate(app: Application, chat: Conversation, node: Node) -> None:
    """Write another version of a reply."""
    if node.parent is None:
        raise InvalidRequest("This message has no question before it that could be answered.")
    answer(app, chat, app.conversations.node(node.parent))


@_action
def reply_to(app: Application, chat: Conversation, node: Node) -> None:
    """Answer a user's message that has no reply yet."""
    answer(app, chat, node)


@_action
def continue_reply(app: Application, chat: Conversation, node: Node) -> None:
    """Write on where a reply ended."""
    parent = app.conversations.node(node.parent) if node.parent else None
    answer(app, chat, parent, continues=node)


@_action
def edit(app: Application, chat: Conversation, node: Node, text: str) -> None:
    """Add an edited version of a message; one of the user's is answered anew."""
    if not text.strip():
        raise InvalidRequest("The edited message is empty.", hint="Delete it instead.")
    made = app.conversations.add(
        chat.id, node.parent, node.message.with_text(text), model=node.model
    )
    if node.message.role == "user":
        answer(app, chat, made)


@_action
def delete(app: Application, chat: Conversation, node: Node) -> None:
    """Remove a message and all that follows it."""
    app.conversations.delete_node(node.id)


@_action
def branch(app: Application, chat: Conversation, node: Node) -> None:
    """Go on in a new chat that has the messages up to this one."""
    shown.show(app.conversations.branch(chat.id, node.id).id)


@_action
def select(app: Application, chat: Conversation, node: str) -> None:
    """Show another version of a message."""
    app.conversations.select(chat.id, node)


def answer(
    app: Application, chat: Conversation, parent: Node | None, *, continues: Node | None = None
) -> None:
    """Begin a reply under a message.

    Raises:
        JackfieldError: the chat's parameters are not valid.
    """
    path = app.conversations.path(chat.id, parent.id) if parent else []
    before = [node.message for node in path]
    if chat.agent_description.strip():
        before.insert(0, message("system", chat.agent_description))
    if continues is not None:
        before.append(continues.message)
    app.jobs.start(
        Turn(
            id=uuid4().hex,
            messages=before,
            model=chat.model,
            sampling=sampling(app, chat),
            template=chat.template,
            conversation=chat.id,
            parent=parent.id if parent else None,
            continues=continues.id if continues else None,
            origin="dashboard",
        )
    )


def sampling(app: Application, chat: Conversation) -> SamplingParams:
    """The chat's parameters, less those that its loaded model does not know.

    They may come from a preset that was made for every model.
    """
    values = chat.sampling
    resident = app.engine.resident(chat.model)
    if resident is not None and resident.info is not None:
        known = resident.info.sampling_fields
        values = {name: value for name, value in values.items() if name in known}
    try:
        return SamplingParams(**values)
    except ValueError as error:
        raise InvalidRequest(
            f"A parameter of this chat is not valid: {error}",
            hint="Reset the parameters in the sidebar.",
        ) from error
