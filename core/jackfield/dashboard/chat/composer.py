"""What stands beside the input of a chat: the tools it may use, and what plugins add."""

from __future__ import annotations

import logging

import streamlit as st

from jackfield.application import Application
from jackfield.conversations import Conversation
from jackfield.dashboard.callbacks import take
from jackfield.dashboard.chat.tab import Tab
from jackfield.dashboard.chat.view import View
from jackfield.tools import Tool


def draw(app: Application, tab: Tab, chat: Conversation, *, running: bool) -> None:
    """Draw it, in a row."""
    _draw_tools(app, tab, chat)
    for owner, part in app.plugins.composer():
        view = View(app, tab, chat, owner, running=running)
        try:
            with st.container(
                horizontal=True, width="content", key=f"chat.composer.{owner}.{part.name}"
            ):
                part.draw(view)
        except Exception as error:  # a plugin's own code runs here
            logging.getLogger(__name__).exception("%s of %s failed", part.name, owner)
            app.plugins.complain(owner, "composer", f"{type(error).__name__}: {error}")
            st.caption(f":material/extension_off: {owner}", help=f"It failed: {error}")


def _draw_tools(app: Application, tab: Tab, chat: Conversation) -> None:
    tools = app.plugins.tools()
    if not tools and not chat.tools:
        return
    there = {tool.name for _, tool in tools}
    used = [name for name in chat.tools if name in there]
    label = f"Tools ({len(used)})" if used else "Tools"
    with st.popover(
        label,
        icon=":material/build:",
        type="tertiary",
        key="chat.tools",
    ):
        st.caption(
            "The model may call what is switched on here. You are asked before each call, unless "
            "the tool can do no harm."
        )
        allowed = app.settings.value.tools
        for owner, tool in tools:
            _draw_tool(tab, chat, owner, tool, allowed.get(tool.name, ""))


def _draw_tool(tab: Tab, chat: Conversation, owner: str, tool: Tool, allowed: str) -> None:
    key = f"chat.tool.{chat.id}.{tab.revision}.{tool.name}"
    first = tool.description.partition("\n")[0]
    st.toggle(
        tool.title or tool.name,
        value=tool.name in chat.tools,
        key=key,
        help=f"{first}\n\nFrom the plugin {owner}.",
        on_change=_switched,
        args=(tab, chat.id, tool.name, key),
    )
    if allowed:
        st.caption(f"{allowed.capitalize()} allowed")


def _switched(tab: Tab, chat: str, name: str, key: str) -> None:
    def note(on: bool) -> None:
        def changed(one: Conversation) -> dict[str, list[str]]:
            others = [tool for tool in one.tools if tool != name]
            return {"tools": [*others, name] if on else others}

        tab.adjust(chat, changed)

    take(key, note)
