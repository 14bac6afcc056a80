"""The panel of a chat's parameters: agent description, preset, sampling, template."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from jackfield.application import Application
from jackfield.conversations import Conversation
from jackfield.dashboard import sampling_controls
from jackfield.dashboard.callbacks import take
from jackfield.dashboard.chat import turns
from jackfield.dashboard.chat.tab import Tab
from jackfield.settings import ChatSettings

DEFAULTS, OWN = "Defaults", "Your own"


def draw(app: Application, tab: Tab, chat: Conversation) -> None:
    """Draw the panel."""
    scope = f"chat.{chat.id or 'draft'}.{tab.revision}"
    _draw_description(app, tab, chat, scope)
    _draw_preset(app, tab, chat, scope)
    resident = app.engine.resident(chat.model) if chat.model else None
    supported = resident.info.sampling_fields if resident and resident.info else None
    sampling_controls.draw(
        chat.sampling,
        turns.base_sampling(app, chat),
        supported,
        scope=scope,
        change=partial(_change_one, app, tab, chat.id),
    )
    _draw_template(app, tab, chat, scope)
    with st.container(horizontal=True):
        st.button(
            "Reset",
            icon=":material/restart_alt:",
            key="chat.reset",
            help="Back to the defaults, in this chat",
            on_click=_reset,
            args=(tab, chat.id),
        )
        st.button(
            "Use for new chats",
            icon=":material/bookmark:",
            key="chat.keep",
            help="New chats begin with this description and these parameters",
            on_click=tab.later,
            args=(_keep,),
        )


def _draw_description(app: Application, tab: Tab, chat: Conversation, scope: str) -> None:
    key = f"{scope}.agent_description"
    drawn = st.session_state.get(key, chat.agent_description)
    st.text_area(
        "Agent description",
        chat.agent_description,
        key=key,
        height=110,
        placeholder="For example: You are a friendly travel advisor.",
        help="Tells the model who it is and how to answer. It stands before every conversation "
        "(the system prompt).",
        on_change=partial(_read, tab, chat.id, "agent_description", key, drawn),
    )


def _draw_preset(app: Application, tab: Tab, chat: Conversation, scope: str) -> None:
    presets = app.plugins.sampling_presets()
    chosen = next((name for name, one in presets.items() if one.params == chat.sampling), OWN)
    if not chat.sampling:
        chosen = DEFAULTS
    options = [DEFAULTS, *presets, *([OWN] if chosen == OWN else [])]
    if tab.preset[0] != chosen:  # a new widget: the browser may still send the old one's value
        tab.preset = (chosen, tab.preset[1] + 1)
    key = f"{scope}.preset.{tab.preset[1]}"
    st.selectbox(
        "Preset",
        options,
        options.index(chosen),
        key=key,
        help="A set of parameters for a purpose. Choosing one replaces those below.",
        on_change=_take_preset,
        args=(app, tab, chat.id, key, chosen),
    )
    if chosen in presets:
        st.caption(presets[chosen].description)


def _draw_template(app: Application, tab: Tab, chat: Conversation, scope: str) -> None:
    templates = {one.name: one.title for one in app.templates.names()}
    options = ["", *templates]
    if chat.template not in options:
        options.append(chat.template)
    key = f"{scope}.template"
    drawn = st.session_state.get(key, chat.template)
    st.selectbox(
        "Chat template",
        options,
        options.index(chat.template),
        format_func=lambda name: templates.get(name, name) or "The model's own",
        key=key,
        help="How the messages are written for the model. A wrong one makes for poor answers: "
        "change it only for a model without a template of its own.",
        on_change=partial(_read, tab, chat.id, "template", key, drawn),
    )


def _change_one(app: Application, tab: Tab, chat: str, name: str, value: Any) -> None:
    """Set one sampling parameter; one that is as without the chat is not kept."""

    def fields(now: Conversation) -> dict[str, Any]:
        sampling = {one: given for one, given in now.sampling.items() if one != name}
        if value != getattr(turns.base_sampling(app, now), name):
            sampling[name] = value
        return {"sampling": sampling}

    tab.adjust(chat, fields)


def _read(tab: Tab, chat: str, field: str, key: str, drawn: str) -> None:
    take(key, lambda value: tab.change(chat, **{field: value}), drawn=drawn)


def _take_preset(app: Application, tab: Tab, chat: str, key: str, drawn: str) -> None:
    presets = app.plugins.sampling_presets()

    def note(name: str) -> None:
        if name != OWN:
            tab.change(chat, sampling=dict(presets[name].params) if name in presets else {})
            tab.refresh()

    take(key, note, drawn=drawn)


def _reset(tab: Tab, chat: str) -> None:
    description = ChatSettings().agent_description
    tab.change(chat, agent_description=description, sampling={}, template="")
    tab.refresh()


def _keep(app: Application, tab: Tab) -> None:
    chat = tab.chat(app)
    app.settings.update(
        [
            ("chat.agent_description", chat.agent_description),
            ("chat.sampling", chat.sampling),
            ("chat.preset", ""),
        ]
    )
    tab.notice = "New chats begin with this description and these parameters."
