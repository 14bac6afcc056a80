"""The Chat page's sidebar: past chats, or the parameters of the one that is shown."""

from __future__ import annotations

import streamlit as st

from jackfield.application import Application
from jackfield.conversations import Conversation
from jackfield.dashboard.callbacks import take
from jackfield.dashboard.chat import parameters, turns
from jackfield.dashboard.chat.tab import Tab

CHATS, PARAMETERS = ":material/forum: Chats", ":material/tune: Parameters"
LISTED = 30
MOST_LISTED = 1000

RENAME = ":material/edit: Rename"
EXPORT = ":material/download: Export"
DELETE = ":material/delete: Delete"


def draw(app: Application, tab: Tab, chat: Conversation) -> None:
    """Draw the sidebar."""
    with st.sidebar:
        st.button(
            "New chat",
            icon=":material/edit_square:",
            shortcut="Mod+Shift+O",
            width="stretch",
            key="chat.new",
            on_click=tab.show,
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
            parameters.draw(app, tab, chat)
        else:
            _draw_chats(app, tab, chat)


def _draw_chats(app: Application, tab: Tab, chat: Conversation) -> None:
    search = st.text_input(
        "Search chats",
        type="search",
        label_visibility="collapsed",
        placeholder="Search titles and messages",
        key="chat.search",
        persist_state="session",
    )
    _draw_undo(tab)
    limit = LISTED + tab.listed
    found = app.conversations.list(search, limit=limit + 1)
    if not found:
        st.caption("No chat has these words." if search else "Your chats will be listed here.")
    with st.container(gap=None, key="chat.list"):
        for one in found[:limit]:
            _draw_row(app, tab, one, selected=one.id == chat.id)
    if len(found) > limit:
        st.button(
            "Show more", type="tertiary", key="chat.list_more", on_click=_list_more, args=(tab,)
        )


def _draw_row(app: Application, tab: Tab, one: Conversation, *, selected: bool) -> None:
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
            on_click=tab.show,
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
                args=(tab, one, key),
            )
    if selected and tab.exported == one.id:
        st.download_button(
            "Save the file",
            app.conversations.export(one.id),
            f"{_file_name(title)}.json",
            "application/json",
            icon=":material/download:",
            key=f"chat.download.{one.id}",
            on_click=setattr,
            args=(tab, "exported", ""),
        )


def _chosen(tab: Tab, one: Conversation, key: str) -> None:
    def note(choice: str) -> None:
        if choice == RENAME:
            tab.dialog = ("rename", one.id)
        elif choice == EXPORT:
            tab.exported = one.id
        elif choice == DELETE:
            tab.later(turns.delete_chat, one)

    take(key, note)


def _draw_undo(tab: Tab) -> None:
    deleted, title = tab.deleted
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
            on_click=tab.later,
            args=(turns.restore_chat,),
        )


def _list_more(tab: Tab) -> None:
    tab.listed = min(tab.listed * 2 + LISTED, MOST_LISTED)


def _plain(title: str) -> str:
    """A title in which Markdown has nothing to say."""
    return "".join(f"\\{one}" if one in "\\`*_[]$:~#<>|!" else one for one in title)


def _file_name(title: str) -> str:
    kept = "".join(one if one.isalnum() else "-" for one in title.lower())
    return "-".join(part for part in kept.split("-") if part)[:60] or "chat"
