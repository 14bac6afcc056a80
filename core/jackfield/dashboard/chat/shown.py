"""Which chat this browser tab shows, and what the tab alone remembers."""

from __future__ import annotations

from typing import Any

import msgspec
import streamlit as st

from jackfield.application import Application
from jackfield.conversations import Conversation
from jackfield.errors import ConversationNotFound, JackfieldError
from jackfield.sampling import SamplingParams

PARAMETER = "c"
"""Name of the chat's id in the address."""

_SHOWN = "chat.shown"
_DRAFT = "chat.draft"
_REVISION = "chat.revision"


def current(app: Application) -> Conversation:
    """The chat of the address, or a draft (with an empty id) that has no message yet."""
    wanted = st.query_params.get(PARAMETER) or st.session_state.get(_SHOWN, "")
    if wanted:
        try:
            chat = app.conversations.get(wanted)
        except ConversationNotFound:
            chat = None
        if chat is not None and not chat.deleted:
            st.session_state[_SHOWN] = chat.id
            st.query_params[PARAMETER] = chat.id
            return chat
        st.session_state["chat.gone"] = True
        show("")
    if _DRAFT not in st.session_state:
        st.session_state[_DRAFT] = new_draft(app)
    draft: Conversation = st.session_state[_DRAFT]
    return draft


def new_draft(app: Application) -> Conversation:
    """A chat as a new one begins, not saved yet."""
    begin = app.settings.value.chat
    preset = app.plugins.sampling_presets().get(begin.preset)
    names = [model.name for model in app.catalog.scan() if not model.error]
    ready = [one.model for one in app.engine.residents() if one.state == "ready"]
    wished = [begin.model, *ready, *names]
    return Conversation(
        id="",
        title="",
        created=0.0,
        updated=0.0,
        model=next((name for name in wished if name in names), ""),
        agent_description=begin.agent_description,
        sampling={**(preset.params if preset else {}), **begin.sampling},
    )


def show(chat: str) -> None:
    """Show a chat, or with "" a new one."""
    for name in (_DRAFT, _SHOWN, "chat.editing", "chat.dialog", "chat.earlier"):
        st.session_state.pop(name, None)
    refresh()
    if chat:
        st.session_state[_SHOWN] = chat
        st.query_params[PARAMETER] = chat
    else:
        st.query_params.pop(PARAMETER, None)


def latest(app: Application, chat: Conversation) -> Conversation:
    """A chat as it is now: a callback knows it only as it was when its widget was drawn."""
    if chat.id:
        return app.conversations.get(chat.id)
    if _DRAFT not in st.session_state and _SHOWN in st.session_state:
        return app.conversations.get(st.session_state[_SHOWN])  # it has been saved meanwhile
    draft: Conversation = st.session_state.get(_DRAFT, chat)
    return draft


def change(app: Application, chat: Conversation, **fields: Any) -> None:
    """Change a chat's model, description, sampling or template, saved or not."""
    chat = latest(app, chat)
    if chat.id:
        app.conversations.update(chat.id, **fields)
    else:
        st.session_state[_DRAFT] = msgspec.structs.replace(chat, **fields)


def saved(app: Application, chat: Conversation) -> Conversation:
    """The chat in the database; a draft is put there and shown from now on."""
    if chat.id:
        return chat
    made = app.conversations.create(
        model=chat.model,
        agent_description=chat.agent_description,
        sampling=chat.sampling,
        template=chat.template,
    )
    show(made.id)
    return made


def base_sampling(app: Application, chat: Conversation) -> SamplingParams:
    """The parameters that hold where the chat sets none: the defaults and the model's own."""
    settings = app.settings.value.models.get(chat.model)
    base = SamplingParams()
    try:
        return base.merged(SamplingParams(**settings.sampling)) if settings else base
    except ValueError as error:
        raise JackfieldError(
            f"The sampling parameters saved for the model {chat.model!r} are not valid: {error}",
            hint="Correct them on the Models page.",
        ) from error


def revision() -> int:
    """Changes when widgets must be drawn anew because what they show was changed elsewhere."""
    number: int = st.session_state.get(_REVISION, 0)
    return number


def refresh() -> None:
    """Have the parameters' widgets drawn anew."""
    st.session_state[_REVISION] = revision() + 1


def told(error: JackfieldError) -> None:
    """Show an error of an action at the top of the next drawing."""
    st.session_state["chat.error"] = f"{error.message}\n\n{error.hint}".strip()
