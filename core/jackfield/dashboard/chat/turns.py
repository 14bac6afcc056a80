"""What a person does to a chat: send, regenerate, continue, edit, delete, branch, choose.

Each changes the tree of messages or starts a reply's job, and the page is drawn from that. None
touches Streamlit: see :class:`~jackfield.dashboard.chat.tab.Tab`.
"""

from __future__ import annotations

from collections.abc import Sequence

from jackfield.application import Application
from jackfield.conversations import Conversation, Node
from jackfield.dashboard.chat.tab import Tab
from jackfield.errors import InvalidRequest
from jackfield.messages import MediaPart, Message, TextPart, message
from jackfield.pipeline import Turn
from jackfield.sampling import SamplingParams

STOP_WAIT = 10.0  # seconds for a reply that is being stopped to end


def send(app: Application, tab: Tab, text: str, files: Sequence[MediaPart] = ()) -> None:
    """Add the user's message and begin the reply; a draft is saved and becomes a chat."""
    if not text.strip() and not files:
        raise InvalidRequest("The message is empty.", hint="Type something to send.")
    chat = tab.chat(app)
    if not chat.model:
        raise InvalidRequest("There is no model to answer.", hint="Get one on the Models page.")
    if not chat.id:
        made = app.conversations.create(
            title="" if text.strip() else files[0].name,
            model=chat.model,
            agent_description=chat.agent_description,
            sampling=chat.sampling,
            template=chat.template,
            options=chat.options,
            tools=chat.tools,
        )
        tab.show(made.id)
    end_running(app, tab.shown)
    chat = app.conversations.get(tab.shown)
    words = (TextPart(text),) if text.strip() else ()
    node = app.conversations.add(chat.id, chat.head, Message("user", (*words, *files)))
    answer(app, chat.id, node)


def regenerate(app: Application, tab: Tab, node: Node) -> None:
    """Write another version of a reply."""
    if node.parent is None:
        raise InvalidRequest("This message has no question before it that could be answered.")
    end_running(app, node.conversation)
    answer(app, node.conversation, app.conversations.node(node.parent))


def reply_to(app: Application, tab: Tab, node: Node) -> None:
    """Answer a user's message that has no reply yet."""
    end_running(app, node.conversation)
    answer(app, node.conversation, node)


def continue_reply(app: Application, tab: Tab, node: Node) -> None:
    """Write on where a reply ended."""
    end_running(app, node.conversation)
    parent = app.conversations.node(node.parent) if node.parent else None
    answer(app, node.conversation, parent, continues=node)


def edit(app: Application, tab: Tab, node: Node, text: str) -> None:
    """Add an edited version of a message; one of the user's is answered anew."""
    has_files = any(isinstance(part, MediaPart) for part in node.message.parts)
    if not text.strip() and not has_files:
        raise InvalidRequest("The edited message is empty.", hint="Delete it instead.")
    end_running(app, node.conversation)
    made = app.conversations.add(
        node.conversation, node.parent, node.message.with_text(text), model=node.model
    )
    if node.message.role == "user":
        answer(app, node.conversation, made)


def delete(app: Application, tab: Tab, node: str) -> None:
    """Remove a message and all that follows it."""
    end_running(app, tab.shown)
    app.conversations.delete_node(node)


def branch(app: Application, tab: Tab, node: Node) -> None:
    """Go on in a new chat that has the messages up to this one."""
    tab.show(app.conversations.branch(node.conversation, node.id).id)


def select(app: Application, tab: Tab, node: str) -> None:
    """Show another version of a message."""
    app.conversations.select(tab.shown, node)


def delete_chat(app: Application, tab: Tab, chat: Conversation) -> None:
    """Put a chat aside, so that it can be brought back."""
    end_running(app, chat.id)
    app.conversations.delete(chat.id)
    tab.deleted = (chat.id, chat.title)
    if tab.shown == chat.id:
        tab.show("")


def restore_chat(app: Application, tab: Tab) -> None:
    """Bring the chat back that was deleted last."""
    chat, _ = tab.deleted
    app.conversations.restore(chat)
    tab.deleted = ("", "")
    tab.show(chat)


def load_model(app: Application, tab: Tab, model: str) -> None:
    """Begin to load a model."""
    app.portal.call(app.engine.begin_load, model)


def end_running(app: Application, chat: str) -> None:
    """Stop the chat's reply if one is being written, and wait for its end."""
    job = app.jobs.get(chat)
    if job is not None and not job.done:
        job.cancel()
        for _ in job.follow(len(job.events), STOP_WAIT):
            pass


def answer(
    app: Application, chat_id: str, parent: Node | None, *, continues: Node | None = None
) -> None:
    """Begin a reply under a message.

    Raises:
        JackfieldError: the chat's parameters are not valid.
    """
    chat = app.conversations.get(chat_id)
    path = app.conversations.path(chat_id, parent.id) if parent else []
    messages = [node.message for node in path]
    if chat.agent_description.strip():
        messages.insert(0, message("system", chat.agent_description))
    if continues is not None:
        messages.append(continues.message)
    app.jobs.start(
        Turn(
            messages=messages,
            model=chat.model,
            sampling=sampling(app, chat),
            template=chat.template,
            conversation=chat_id,
            parent=parent.id if parent else None,
            continues=continues.id if continues else None,
            origin="dashboard",
            options=chat.options,
            use_tools=tuple(chat.tools),
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


def base_sampling(app: Application, chat: Conversation) -> SamplingParams:
    """The parameters that hold where the chat sets none: the defaults and the model's own."""
    settings = app.settings.value.models.get(chat.model)
    if settings is None:
        return SamplingParams()
    try:
        return SamplingParams().merged(SamplingParams(**settings.sampling))
    except ValueError as error:
        raise InvalidRequest(
            f"The sampling parameters saved for the model {chat.model!r} are not valid: {error}",
            hint="Correct them on the Models page.",
        ) from error
