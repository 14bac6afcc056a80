"""The Chat page's dialogs: one at a time, named in the tab's state."""

from __future__ import annotations

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard import inspector
from jackfield.dashboard.chat import turns
from jackfield.dashboard.chat.tab import Tab
from jackfield.errors import ConversationNotFound


def draw(app: Application, tab: Tab) -> None:
    """Draw the dialog that is open, if one is: ``inspect``, ``delete`` or ``rename``."""
    what, subject = tab.dialog
    titles = {
        "inspect": "What happened to this reply",
        "delete": "Delete this message?",
        "rename": "Rename this chat",
    }
    if what not in titles:
        return

    @st.dialog(
        titles[what],
        width="large" if what == "inspect" else "small",
        on_dismiss=lambda: _close(tab),
    )
    def dialog() -> None:
        if what == "inspect":
            _draw_trace(app, subject)
        elif what == "delete":
            _draw_delete(tab, subject)
        else:
            _draw_rename(app, tab, subject)

    try:
        dialog()
    except ConversationNotFound:
        _close(tab)  # another tab has removed what it was about


def _close(tab: Tab) -> None:
    tab.dialog = ("", "")


def _draw_trace(app: Application, node: str) -> None:
    trace = app.conversations.node(node).trace
    if trace is not None:
        inspector.draw(trace)


def _draw_delete(tab: Tab, node: str) -> None:
    st.write("This message and everything after it goes. Its other versions stay.")
    st.caption("To keep what is here, branch to a new chat first.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", icon=":material/delete:"):
            tab.later(turns.delete, node)
            _close(tab)
            st.rerun()
        if st.button("Keep"):
            _close(tab)
            st.rerun()


def _draw_rename(app: Application, tab: Tab, chat: str) -> None:
    now = app.conversations.get(chat).title
    title = st.text_input("Title", now, max_chars=200, key=f"chat.title.{chat}")
    if st.button("Rename", type="primary"):
        tab.later(_rename, chat, title)
        _close(tab)
        st.rerun()


def _rename(app: Application, tab: Tab, chat: str, title: str) -> None:
    app.conversations.rename(chat, title)
