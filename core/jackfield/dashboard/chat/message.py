"""One message of the history: its text, what is known of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import msgspec
import streamlit as st

from jackfield.application import Application
from jackfield.conversations import Node
from jackfield.dashboard.callbacks import take
from jackfield.dashboard.chat import attachments, tools, turns
from jackfield.dashboard.chat.citations import address, cited
from jackfield.dashboard.chat.markdown import as_typed, markdown
from jackfield.dashboard.chat.shown import AVATARS, Shown
from jackfield.dashboard.chat.tab import Tab
from jackfield.dashboard.words import plain
from jackfield.messages import Passage, UsageEvent

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

SHORTEST_MEASURED = 0.05  # seconds; a speed over less would be noise

COPY = ":material/content_copy: Copy"
EDIT = ":material/edit: Edit"
AGAIN = ":material/refresh: Regenerate"
ONWARD = ":material/last_page: Continue"
BRANCH = ":material/call_split: Branch to a new chat"
INSPECT = ":material/frame_inspect: What plugins did"
DELETE = ":material/delete: Delete"


class Place(msgspec.Struct, frozen=True):
    """Where a message stands.

    Attributes:
        versions: ids of all its versions, the oldest first, itself among them.
        last: nothing follows it.
    """

    versions: Sequence[str]
    last: bool


def draw(tab: Tab, node: Node, place: Place, chat: Shown) -> None:
    """Draw a message."""
    role = node.message.role
    if role not in AVATARS:
        return  # the agent description has its place among the parameters
    with st.chat_message(role, avatar=chat.avatar(role)):
        if tab.editing == node.id:
            _draw_editor(tab, node)
            return
        if role == "user":
            _draw_question(tab, node, place)
            return
        if chat.look.name:
            st.caption(f"**{plain(chat.look.name)}**")
        _draw_reply(node, chat)
        with st.empty():  # claimed in any case: what follows keeps its place
            _draw_action(tab, node, chat)
        with _row(node):
            st.caption(_facts(node), width="stretch")
            _draw_versions(tab, node, place.versions)
            _draw_menu(tab, node, place, chat)
        following = st.empty()  # claimed in any case: it goes as soon as something follows
        if place.last:
            with following.container(horizontal=True, key="chat.next"):
                _draw_next(tab, node)


def _draw_question(tab: Tab, node: Node, place: Place) -> None:
    attachments.draw(node)
    with _row(node):
        st.markdown(as_typed(node.message.text), width="stretch")
        if place.last:
            _button("Answer", "reply", turns.reply_to, tab, node)
        _draw_versions(tab, node, place.versions)
        _draw_menu(tab, node, place)


def _row(node: Node) -> DeltaGenerator:
    return st.container(
        horizontal=True,
        gap="xsmall",
        vertical_alignment="center",
        wrap=False,
        key=f"chat.row.{node.id}",
    )


def _draw_action(tab: Tab, node: Node, chat: Shown) -> None:
    """Draw what came of something that a plugin does with a message."""
    label, acted = tab.acted
    if acted != node.id or label not in chat.labels:
        return
    with st.container(border=True, key=f"chat.acted.{node.id}"):
        chat.draw_action(label, node)
        st.button(
            "Close",
            type="tertiary",
            key=f"chat.acted_close.{node.id}",
            on_click=setattr,
            args=(tab, "acted", ("", "")),
        )


def _draw_reply(node: Node, chat: Shown) -> None:
    if node.message.reasoning:
        with st.expander("Thoughts", type="compact"):
            st.markdown(markdown(node.message.reasoning))
    sources = node.trace.sources if node.trace is not None else []
    tools.draw_reply(
        node.message, chat.titles, lambda text: st.markdown(cited(markdown(text), sources))
    )
    if not node.message.text.strip() and node.state == "complete":
        st.caption("The model answered with nothing.")
    if node.trace is not None:
        draw_sources(node.trace.sources)
        for notice in node.trace.notices:
            st.caption(f":material/info: {markdown(notice)}")
    if node.state == "failed":
        what, _, hint = (node.error or "The reply failed.").partition("\n")
        st.error(f"{markdown(what)}\n\n{markdown(hint)}".strip(), icon=":material/error:")


def draw_sources(sources: Sequence[Passage]) -> None:
    """Draw the passages that a reply was given."""
    if not sources:
        return
    with st.expander(f"Sources ({len(sources)})", type="compact"):
        for number, passage in enumerate(sources, 1):
            title = f"**[{number}]** {markdown(passage.title or passage.uri)}"
            uri = address(passage)
            st.markdown(f"{title} [:material/open_in_new: open]({uri})" if uri else title)
            st.code(passage.text, language=None, wrap_lines=True)


def _draw_next(tab: Tab, node: Node) -> None:
    """What is likely to be done with the last reply."""
    again = "Try again" if node.state == "failed" else "Regenerate"
    _button(again, "refresh", turns.regenerate, tab, node, "Mod+Shift+L")
    if node.state != "failed" and node.message.text:
        _button("Continue", "last_page", turns.continue_reply, tab, node)


def _button(
    label: str,
    icon: str,
    action: Callable[[Application, Tab, Node], None],
    tab: Tab,
    node: Node,
    shortcut: str | None = None,
) -> None:
    st.button(
        label,
        icon=f":material/{icon}:",
        type="tertiary",
        key=f"chat.{label.lower().replace(' ', '_')}.{node.id}",
        on_click=tab.later,
        args=(action, node),
        shortcut=shortcut,
    )


def _draw_menu(tab: Tab, node: Node, place: Place, chat: Shown | None = None) -> None:
    key = f"chat.menu.{node.id}"
    st.menu_button(
        ":material/more_horiz:",
        _choices(node, place, chat),
        type="tertiary",
        key=key,
        help="More to do with this message",
        on_click=_chosen,
        args=(tab, node, key, chat.labels if chat is not None else frozenset()),
    )


def _draw_versions(tab: Tab, node: Node, versions: Sequence[str]) -> None:
    if len(versions) < 2:
        return
    at = versions.index(node.id)
    for icon, to, what in (("chevron_left", at - 1, "Older"), ("chevron_right", at + 1, "Newer")):
        inside = 0 <= to < len(versions)
        st.button(
            f":material/{icon}:",
            type="tertiary",
            key=f"chat.{what.lower()}.{node.id}",
            help=f"{what} version",
            disabled=not inside,
            on_click=tab.later,
            args=(turns.select, versions[to] if inside else node.id),
        )
        if what == "Older":
            st.caption(f"{at + 1}/{len(versions)}", width="content")


def _choices(node: Node, place: Place, chat: Shown | None) -> list[str]:
    replied = node.message.role == "assistant"
    choices = [COPY, EDIT]
    if replied and not place.last:
        choices += [AGAIN, ONWARD]
    choices.append(BRANCH)
    choices += chat.offered(node) if chat is not None else []
    if node.trace is not None:
        choices.append(INSPECT)
    return [*choices, DELETE]


def _chosen(tab: Tab, node: Node, key: str, labels: Collection[str]) -> None:
    take(key, lambda choice: _do(tab, node, choice, labels))


def _do(tab: Tab, node: Node, choice: str, labels: Collection[str]) -> None:
    actions = {AGAIN: turns.regenerate, ONWARD: turns.continue_reply, BRANCH: turns.branch}
    dialogs = {INSPECT: "inspect", DELETE: "delete"}
    if choice in labels:
        tab.acted = (choice, node.id)
    elif choice == COPY:
        tab.copied = node.message.text
    elif choice == EDIT:
        tab.editing = node.id
    elif choice in actions:
        tab.later(actions[choice], node)
    elif choice in dialogs:
        tab.dialog = (dialogs[choice], node.id)


def _draw_editor(tab: Tab, node: Node) -> None:
    key = f"chat.edit.{node.id}"
    user = node.message.role == "user"
    st.text_area("Edit the message", node.message.text, key=key, label_visibility="collapsed")
    with st.container(horizontal=True):
        st.button(
            "Send" if user else "Save",
            type="primary",
            key=f"chat.save.{node.id}",
            help="The old version is kept." if user else "Kept as a version of the reply.",
            on_click=_edited,
            args=(tab, node, key),
        )
        st.button(
            "Cancel", key=f"chat.cancel.{node.id}", on_click=setattr, args=(tab, "editing", "")
        )


def _edited(tab: Tab, node: Node, key: str) -> None:
    def note(text: str) -> None:
        tab.editing = ""
        tab.later(turns.edit, node, text)

    take(key, note)


def _facts(node: Node) -> str:
    """Tokens and speed of a reply, and how it ended."""
    facts = []
    if node.state == "cancelled":
        facts.append("Stopped")
    if node.trace is not None and node.trace.finish_reason == "length":
        facts.append("Cut off at the longest reply allowed")
    if node.usage is not None:
        facts += usage_facts(node.usage)
    if node.message.role == "assistant" and node.model:
        facts.append(node.model)
    return " · ".join(facts)


def usage_facts(usage: UsageEvent) -> list[str]:
    """A reply's length and speed in words."""
    facts = [f"{usage.completion_tokens:,} tokens"]
    seconds = usage.seconds - usage.first_token_s
    if usage.completion_tokens > 1 and seconds > SHORTEST_MEASURED:
        facts.append(f"{(usage.completion_tokens - 1) / seconds:.1f} tokens/s")
    return [*facts, f"first after {usage.first_token_s:.2f} s"]
