"""What is the same for all messages of the chat that is shown."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property

import streamlit as st

from jackfield.application import Application
from jackfield.chat_parts import ChatAction, ChatLook
from jackfield.conversations import Node
from jackfield.dashboard.chat.tools import titles_of
from jackfield.dashboard.chat.view import View

AVATARS = {"user": ":material/person:", "assistant": ":material/graphic_eq:"}


class Shown:
    """How messages of a chat are drawn.

    Args:
        view: makes what a plugin sees of the chat, by the plugin's name.
    """

    def __init__(self, app: Application, view: Callable[[str], View], look: ChatLook) -> None:
        self._app = app
        self._view = view
        self.look = look

    def avatar(self, role: str) -> str | bytes:
        """The sign or picture beside a message."""
        return self.look.picture if role == "assistant" and self.look.picture else AVATARS[role]

    @cached_property
    def titles(self) -> dict[str, str]:
        """What tools are called for the user, by name."""
        return titles_of(self._app)

    @cached_property
    def _actions(self) -> dict[str, tuple[str, ChatAction]]:
        """What plugins can do with a message, by label."""
        return {
            f"{action.icon} {action.label}": (owner, action)
            for owner, action in self._app.plugins.chat_actions()
        }

    @property
    def labels(self) -> frozenset[str]:
        """What plugins call what they can do."""
        return frozenset(self._actions)

    def offered(self, node: Node) -> list[str]:
        """What plugins can do with this message."""
        return [
            label
            for label, (owner, action) in self._actions.items()
            if self._safely(owner, lambda: action.applies(node))  # noqa: B023 - called at once
        ]

    def draw_action(self, label: str, node: Node) -> None:
        """Draw what came of it."""
        owner, action = self._actions[label]
        self._safely(owner, lambda: action.draw(self._view(owner), node))

    def _safely(self, owner: str, work: Callable[[], object]) -> object:
        try:
            return work()
        except Exception as error:  # a plugin's own code runs here
            logging.getLogger(__name__).exception("an action of %s failed", owner)
            words = f"{type(error).__name__}: {error}"
            self._app.plugins.complain(owner, "chat_actions", words)
            st.error(f"The plugin {owner} failed: {words}", icon=":material/extension_off:")
            return None
