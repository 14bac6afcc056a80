"""What one browser tab shows and remembers, and what it is asked to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeAlias

import msgspec
import streamlit as st

from jackfield.application import Application
from jackfield.conversations import Conversation
from jackfield.errors import ConversationNotFound, JackfieldError

PARAMETER = "c"
"""Name of the chat's id in the address."""

IN_FLIGHT = 2.0
"""Seconds in which the browser may still tell an address that it has been told to leave."""

P = ParamSpec("P")
Work: TypeAlias = Callable[[Application], None]


@dataclass
class Tab:
    """The state of a tab, in one plain object.

    Streamlit may end a callback wherever it touches the session's state, if the next click comes
    in that moment. So callbacks touch this object alone: they note what is to be done, and the
    next drawing begins with doing it.

    Attributes:
        shown: id of the chat that is shown, "" for a draft.
        draft: a chat that has no message yet and is not saved.
        revision: another number has the parameters' widgets drawn anew.
        preset: the preset that is shown as chosen, and a number for its widget.
        editing: id of the message that is being edited.
        dialog: what the open dialog is for, and the id of what it is about.
        deleted: id and title of the chat deleted last.
        acted: what a plugin was asked to do with a message, and the message's id.
        copied: a text for the clipboard.
        exported: id of the chat whose file is offered.
        error, notice, gone: to be told with the next drawing.
        earlier: messages drawn beyond the usual number.
        listed: chats listed beyond the usual number.
        drawn: the chat drawn last, and how many of its messages.
    """

    shown: str = ""
    draft: Conversation | None = None
    revision: int = 0
    preset: tuple[str, int] = ("", 0)
    editing: str = ""
    dialog: tuple[str, str] = ("", "")
    deleted: tuple[str, str] = ("", "")
    acted: tuple[str, str] = ("", "")
    copied: str = ""
    copies: int = 0
    exported: str = ""
    error: str = ""
    notice: str = ""
    gone: bool = False
    earlier: int = 0
    listed: int = 0
    drawn: tuple[str, int] = ("", 0)
    _address: str | None = None
    _moved: float = 0.0
    _changes: list[Work] = field(default_factory=list)
    _actions: list[Work] = field(default_factory=list)

    def show(self, chat: str) -> None:
        """Show a chat, or with "" a new one."""
        self.shown, self.draft, self.editing, self.earlier = chat, None, "", 0
        self.dialog = ("", "")
        self.refresh()

    def refresh(self) -> None:
        """Have the parameters' widgets drawn anew: what they show was changed elsewhere."""
        self.revision += 1

    def later(
        self,
        work: Callable[Concatenate[Application, Tab, P], None],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Do something at the beginning of the next drawing."""
        self._actions.append(lambda app: work(app, self, *args, **kwargs))

    def change(self, chat: str, **fields: Any) -> None:
        """Change a chat's model, description, sampling or template before anything else is done.

        Args:
            chat: its id, "" for the draft.
        """
        self._changes.append(lambda app: self._change(app, chat, lambda _: fields))

    def adjust(self, chat: str, fields: Callable[[Conversation], dict[str, Any]]) -> None:
        """Change a chat in a way that depends on what it is when that is done."""
        self._changes.append(lambda app: self._change(app, chat, fields))

    def work(self, app: Application) -> None:
        """Do what was noted; changes come first, for actions go by them."""
        noted = [*self._changes, *self._actions]
        self._changes, self._actions = [], []
        for one in noted:
            try:
                one(app)
            except JackfieldError as error:
                self.error = f"{error.message}\n\n{error.hint}".strip()

    def chat(self, app: Application) -> Conversation:
        """The chat that is shown, as it is now; a draft has an empty id."""
        if self.shown:
            try:
                chat = app.conversations.get(self.shown)
            except ConversationNotFound:
                chat = None
            if chat is not None and not chat.deleted:
                return chat
            self.gone = True
            self.show("")
        if self.draft is None:
            self.draft = new_draft(app)
        return self.draft

    def follow_address(self) -> None:
        """Show the chat of the address if the browser was sent there; else set the address."""
        asked = st.query_params.get(PARAMETER, "")
        settled = time.monotonic() - self._moved > IN_FLIGHT
        if self._address is None or (asked and asked != self._address and settled):
            self._address = asked
            if asked and asked != self.shown:
                self.show(asked)

    def set_address(self) -> None:
        """Write the shown chat's id into the address."""
        if self._address != self.shown:
            self._address, self._moved = self.shown, time.monotonic()
        if not self.shown:
            st.query_params.pop(PARAMETER, None)
        elif st.query_params.get(PARAMETER) != self.shown:
            st.query_params[PARAMETER] = self.shown

    def _change(
        self, app: Application, chat: str, fields: Callable[[Conversation], dict[str, Any]]
    ) -> None:
        if chat:
            app.conversations.update(chat, **fields(app.conversations.get(chat)))
        elif self.draft is not None:
            self.draft = msgspec.structs.replace(self.draft, **fields(self.draft))


def this_tab() -> Tab:
    """The tab that is being drawn."""
    tab: Tab = st.session_state.setdefault("chat.tab", Tab())
    return tab


def new_draft(app: Application) -> Conversation:
    """A chat as a new one begins, not saved yet."""
    begin = app.settings.value.chat
    preset = app.plugins.sampling_presets().get(begin.preset)
    names = app.catalog.writers()
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
