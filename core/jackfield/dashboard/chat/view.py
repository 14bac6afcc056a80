"""A chat as plugins see it."""

from __future__ import annotations

from typing import Any

from jackfield.application import Application
from jackfield.conversations import Conversation
from jackfield.dashboard.chat import turns
from jackfield.dashboard.chat.tab import Tab


class View:
    """The shown chat for one plugin; see :class:`jackfield.chat_parts.ChatView`."""

    def __init__(
        self, app: Application, tab: Tab, chat: Conversation, plugin: str, *, running: bool
    ) -> None:
        self.app = app
        self.id = chat.id
        self.model = chat.model
        self.options: dict[str, Any] = dict(chat.options.get(plugin, {}))
        self.running = running
        self._tab = tab
        self._plugin = plugin

    def set(self, **options: Any) -> None:
        """Keep something for the plugin with this chat."""
        plugin = self._plugin

        def changed(chat: Conversation) -> dict[str, Any]:
            mine = {**chat.options.get(plugin, {}), **options}
            kept = {name: value for name, value in mine.items() if value is not None}
            others = {name: one for name, one in chat.options.items() if name != plugin}
            return {"options": {**others, plugin: kept} if kept else others}

        self._tab.adjust(self.id, changed)

    def send(self, text: str) -> None:
        """Send a message as if the user had typed it."""
        self._tab.later(turns.send, text)

    def say(self, text: str) -> None:
        """Show a short notice."""
        self._tab.notice = text
