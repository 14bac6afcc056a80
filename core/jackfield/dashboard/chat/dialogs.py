"""The Chat page's dialogs: one at a time, named in the tab's state."""

from __future__ import annotations

import streamlit as st

from jackfield.application import Application
from jackfield.conversations import Conversation
from jackfield.dashboard import inspector
from jackfield.dashboard.chat import shown, turns
from jackfield.errors import ConversationNotFound, JackfieldError

_OPEN = "chat.dialog"


def ask(what: str, subject: str) -> None:
    """Open a dialog with the next drawing: ``inspect``, ``delete`` or ``rename``."""
    st.session_state[_OPEN] = (what, subject)


def close() -> None:
    """Close the open dialog."""
    st.session_state.pop(_OPEN, None)


def draw(app: Application, chat: Conversation) -> None:
    """Draw the dialog that is open, if one is."""
    what, subject = st.session_state.get(_OPEN, ("", ""))
    try:
        match what:
            case "inspect":
                _inspect(app, subject)
            case "delete":
                _delete(app, chat, subject)
            case "rename":
                _rename(app, subject)
    except ConversationNotFound:
        close()  # another tab has removed what it was about


@st.dialog("What happened to this reply", width="large", on_dismiss=close)
def _inspect(app: Application, node: str) -> None:
    trace = app.conversations.node(node).trace
    if trace is not None:
        inspector.draw(trace)


@st.dialog("Delete this message?", on_dismiss=close)
def _delete(app: Application, chat: Conversation, node: str) -> None:
    st.write("This message and everything after it goes. Its other versions stay.")
    st.caption("To keep what is here, branch to a new chat first.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", icon=":material/delete:"):
            close()
            turns.delete(app, chat, app.conversations.node(node))
            st.rerun()
        if st.button("Keep"):
            close()
            st.rerun()


@st.dialog("Rename this chat", on_dismiss=close)
def _rename(app: Application, chat: str) -> None:
    title = st.text_input(
        "Title", app.conversations.get(chat).title, max_chars=200, key=f"chat.title.{chat}"
    )
    if st.button("Rename", type="primary"):
        close()
        try:
            app.conversations.rename(chat, title)
        except JackfieldError as error:
            shown.told(error)
        st.rerun()
