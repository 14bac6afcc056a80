"""The Chat page's sidebar: past chats, or the parameters of the one that is shown."""

from __future__ import annotations

import streamlit as st

from jackfield.application import Application
from jackfield.conversations import Conversation
from jackfield.dashboard.chat import dialogs, parameters, shown

CHATS, PARAMETERS = ":material/forum: Chats", ":material/tune: Parameters"
LISTED = 30
MOST_LISTED = 1000

RENAME = ":material/edit: Rename"
EXPORT = ":material/download: Export"
DELETE = ":material/delete: Delete"

_DELETED = "chat.deleted"
_EXPORTED = "chat.exported"


def draw(app: Application, chat: Conversation) -> None:
    """Draw the sidebar."""
    with st.sidebar:
        st.button(
            "New chat",
            icon=":material/edit_square:",
            shortcut="Mod+Shift+O",
            width="stretch",
            key="chat.new",
            on_click=shown.show,
            args=("",),
        )
        panel = st.segmented_control(
            "Panel",
            [CHATS, PARAMETERS],
            default=CHATS,
            required=True,
            label_visibility="collapsed",
            width="stretch",
            key="chat.panel",
            persist_state="session",
        )
        if panel == PARAMETERS:
            parameters.draw(app, chat)
        else:
            _draw_chats(app, chat)


def _draw_chats(app: Application, chat: Conversation) -> None:
    search = st.text_input(
        "Search chats",
        type="search",
        label_visibility="collapsed",
        placeholder="Search titles and messages",
        key="chat.search",
        persist_state="session",
    )
    _draw_undo(app)
    limit = st.session_state.get("chat.listed", LISTED)
    found = app.conversations.list(search, limit=limit + 1)
    if not found:
        st.caption("No chat has these words." if search else "Your chats will be listed here.")
    with st.container(gap=None, key="chat.list"):
        for one in found[:limit]:
            _draw_row(app, one, selected=one.id == chat.id)
    if len(found) > limit:
        st.button("Show more", type="tertiary", key="chat.list_more", on_click=_list_more)


def _draw_row(app: Application, one: Conversation, *, selected: bool) -> None:
    with st.container(
        horizontal=True,
        gap=None,
        vertical_alignment="center",
        wrap=False,
        key=f"chat.listed_row.{one.id}",
    ):
        title = one.title or "Untitled"
        st.button(
            f"**{_plain(title)}**" if selected else _plain(title),
            type="tertiary",
            icon=":material/chat_bubble:" if selected else None,
            key=f"chat.open.{one.id}",
            on_click=shown.show,
            args=(one.id,),
        )
        if selected:
            st.space("stretch")
            key = f"chat.chat_menu.{one.id}"
            st.menu_button(
                ":material/more_vert:",
                [RENAME, EXPORT, DELETE],
                type="tertiary",
                key=key,
                help="Rename, export or delete this chat",
                on_click=_chosen,
                args=(app, one, key),
            )
    if selected and st.session_state.get(_EXPORTED) == one.id:
        st.download_button(
            "Save the file",
            app.conversations.export(one.id),
            f"{_file_name(title)}.json",
            "application/json",
            icon=":material/download:",
            key=f"chat.download.{one.id}",
            on_click=st.session_state.pop,
            args=(_EXPORTED, None),
        )


def _chosen(app: Application, one: Conversation, key: str) -> None:
    match st.session_state[key]:
        case choice if choice == RENAME:
            dialogs.ask("rename", one.id)
        case choice if choice == EXPORT:
            st.session_state[_EXPORTED] = one.id
        case choice if choice == DELETE:
            job = app.jobs.get(one.id)
            if job is not None:
                job.cancel()
            app.conversations.delete(one.id)
            st.session_state[_DELETED] = (one.id, one.title)
            shown.show("")


def _draw_undo(app: Application) -> None:
    deleted, title = st.session_state.get(_DELETED, ("", ""))
    if not deleted:
        return
    with st.container(
        horizontal=True, vertical_alignment="center", wrap=False, border=True, key="chat.undo_box"
    ):
        st.caption(f"Deleted “{_plain(title or 'Untitled')}”")
        st.button(
            "Undo",
            icon=":material/undo:",
            type="tertiary",
            key="chat.undo",
            on_click=_undo,
            args=(app, deleted),
        )


def _undo(app: Application, deleted: str) -> None:
    st.session_state.pop(_DELETED, None)
    app.conversations.restore(deleted)
    shown.show(deleted)


def _list_more() -> None:
    listed = st.session_state.get("chat.listed", LISTED)
    st.session_state["chat.listed"] = min(listed * 3, MOST_LISTED)


def _plain(title: str) -> str:
    """A title in which Markdown has nothing to say."""
    return "".join(f"\\{one}" if one in "\\`*_[]$:~#<>|!" else one for one in title)


def _file_name(title: str) -> str:
    kept = "".join(one if one.isalnum() else "-" for one in title.lower())
    return "-".join(part for part in kept.split("-") if part)[:60] or "chat"
