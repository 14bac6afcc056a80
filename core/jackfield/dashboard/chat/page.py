"""The Chat page: sidebar, model, history, the reply being written, and the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from jackfield.application import Application
from jackfield.conversations import Conversation, Node
from jackfield.dashboard.callbacks import take
from jackfield.dashboard.chat import (
    attachments,
    composer,
    dialogs,
    message,
    microphone,
    model_bar,
    reply,
    sidebar,
    turns,
)
from jackfield.dashboard.chat.clipboard import draw_copy
from jackfield.dashboard.chat.markdown import markdown
from jackfield.dashboard.chat.player import draw_rest
from jackfield.dashboard.chat.shown import Shown
from jackfield.dashboard.chat.tab import Tab, this_tab
from jackfield.dashboard.chat.view import View
from jackfield.errors import JackfieldError
from jackfield.jobs import Job

DRAWN = 40
"""Messages that are drawn before "Show earlier" is pressed; it adds as many again."""

WATCH = 2.0  # seconds between looks at what other tabs did to the chat
SUGGESTIONS = (
    "Explain how a rainbow comes about",
    "Write a short poem about the sea",
    "Give me three ideas for a rainy Sunday",
)


def draw(app: Application) -> None:
    """Draw the page. While a reply is written this lasts as long as it."""
    tab = this_tab()
    tab.follow_address()
    tab.work(app)
    chat = tab.chat(app)
    tab.set_address()
    job = app.jobs.get(chat.id) if chat.id else None
    running = job if job is not None and not job.done else None  # asked once: a run has one truth
    mark = _mark(app, chat.id) if chat.id else ()
    sidebar.draw(app, tab, chat)
    nodes = _nodes(app, chat, running)
    ready = model_bar.draw(app, tab, chat, running=running is not None, told=_failed(nodes))
    _draw_told(tab)
    beginning = st.empty()  # claimed in every run, or it would shine through while a reply comes
    if ready or nodes:
        _draw_bottom(app, tab, chat, nodes, running)
    _draw_history(app, tab, chat, nodes, running)
    if ready and not nodes and running is None:
        with beginning.container(horizontal_alignment="center", key="chat.beginning"):
            _draw_beginning(tab)
    draw_copy(tab)
    draw_rest(None if running is not None else job)
    dialogs.draw(app, tab)
    if running is not None:
        reply.follow(app, running, _shown(app, tab, chat))
        st.rerun()
    elif chat.id:
        _watch(app, chat.id, mark)


def _nodes(app: Application, chat: Conversation, running: Job | None) -> list[Node]:
    """The messages to draw: those before the reply that is being written, or all."""
    if not chat.id:
        return []
    if running is None:
        return app.conversations.path(chat.id)
    parent = running.turn.parent
    return app.conversations.path(chat.id, parent) if parent else []


def _failed(nodes: Sequence[Node]) -> bool:
    return bool(nodes) and nodes[-1].state == "failed"


def _draw_told(tab: Tab) -> None:
    """What an action could not do, and a chat that is not there."""
    gone, error = st.empty(), st.empty()
    if tab.gone:
        gone.warning(
            "That chat does not exist any more. This is a new one.", icon=":material/search_off:"
        )
    if tab.error:
        error.error(markdown(tab.error), icon=":material/error:")
    if tab.notice:
        st.toast(tab.notice, icon=":material/check:")
    tab.gone, tab.error, tab.notice = False, "", ""


def _draw_history(
    app: Application, tab: Tab, chat: Conversation, nodes: Sequence[Node], running: Job | None
) -> None:
    """Draw the latest messages, in a container of their own.

    What the last run drew stays until this one draws in its place, so places that are not used
    any more are emptied: all of them when another chat is shown, else those at the end.
    """
    same = tab.drawn[0] == chat.id
    history = (st if same else st.empty()).container(key="chat.history")
    drawn = DRAWN + tab.earlier
    versions = app.conversations.versions(chat.id) if nodes else {}
    shown = _shown(app, tab, chat)
    with history:
        earlier = st.empty()
        if len(nodes) > drawn:
            earlier.button(
                f"Show earlier ({len(nodes) - drawn})",
                icon=":material/expand_less:",
                type="tertiary",
                key="chat.show_earlier",
                on_click=setattr,
                args=(tab, "earlier", tab.earlier + DRAWN),
            )
        for node in nodes[-drawn:]:
            last = running is None and node is nodes[-1]
            place = message.Place(versions.get(node.id, [node.id]), last)
            message.draw(tab, node, place, shown)
        count = min(len(nodes), drawn)
        for _ in range(count, tab.drawn[1] if same else 0):
            st.empty()
    tab.drawn = (chat.id, count)


def _shown(app: Application, tab: Tab, chat: Conversation) -> Shown:
    return Shown(
        app,
        lambda plugin: View(app, tab, chat, plugin, running=False),
        app.plugins.chat_look(chat.options),
    )


def _draw_beginning(tab: Tab) -> None:
    st.space("large")
    st.header("What shall we talk about?", anchor=False, text_alignment="center")
    st.caption(
        "Everything stays on this computer. What the model is told, and how it chooses its "
        "words, is under Parameters in the sidebar.",
        text_alignment="center",
    )
    with st.container(horizontal=True, horizontal_alignment="center"):
        for number, suggestion in enumerate(SUGGESTIONS):
            st.button(
                suggestion,
                key=f"chat.suggest.{number}",
                on_click=tab.later,
                args=(turns.send, suggestion),
            )


def _draw_bottom(
    app: Application, tab: Tab, chat: Conversation, nodes: Sequence[Node], running: Job | None
) -> None:
    with (
        st.bottom,
        st.container(horizontal=True, vertical_alignment="center", key="chat.bottom"),
    ):
        composer.draw(app, tab, chat, running=running is not None)
        st.space("stretch")
        _draw_gauge(app, chat, nodes)
        if running is not None:
            st.button(
                "Stop",
                icon=":material/stop_circle:",
                shortcut="Esc",
                key="chat.stop",
                on_click=running.cancel,
            )
    st.chat_input(
        "Message",
        key="chat.input",
        accept_file="multiple",
        accept_audio=microphone.can_listen(app),
        max_upload_size=attachments.LARGEST_MB,
        disabled=not chat.model,
        on_submit=_submitted,
        args=(tab,),
    )


def _submitted(tab: Tab) -> None:
    take("chat.input", lambda said: tab.later(_send, said))


def _send(app: Application, tab: Tab, said: Any) -> None:
    """Send what was typed, attached and spoken; the rest goes although speech is not understood."""
    text, files = attachments.taken(said)
    recording = getattr(said, "audio", None)
    if recording is not None:
        try:
            text = f"{text} {microphone.heard(app, recording.getvalue())}".strip()
        except JackfieldError as error:
            if not text.strip() and not files:
                raise
            tab.error = f"What you said was left out. {error.message}\n\n{error.hint}".strip()
    turns.send(app, tab, text, files)


def _draw_gauge(app: Application, chat: Conversation, nodes: Sequence[Node]) -> None:
    """How much of the model's context the chat has filled."""
    usage = next((node.usage for node in reversed(nodes) if node.usage is not None), None)
    resident = app.engine.resident(chat.model) if chat.model else None
    limit = resident.info.context_length if resident and resident.info else 0
    if usage is not None and not limit:
        limit = usage.context_length
    if not limit:
        return
    used = usage.prompt_tokens + usage.completion_tokens if usage is not None else 0
    share = used / limit
    colour = "red" if share > 0.95 else "orange" if share > 0.8 else "gray"
    st.caption(
        f":{colour}[:material/data_usage: {used:,} of {limit:,} tokens ({share:.0%})]",
        width="content",
        help="How much of the model's context this chat has filled. When it is full, the oldest "
        "messages are left out of what the model reads.",
    )


def _mark(app: Application, chat: str) -> tuple[object, ...]:
    """Changes when somebody changes the chat or has a reply written."""
    now = app.conversations.get(chat)
    job = app.jobs.get(chat)
    return now.updated, now.head, now.deleted, job is not None and not job.done


@st.fragment(run_every=WATCH)
def _watch(app: Application, chat: str, drawn: tuple[object, ...]) -> None:
    """Draw the page anew when another tab has changed the chat."""
    if _mark(app, chat) != drawn:
        st.rerun(scope="app")
