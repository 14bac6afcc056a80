"""The choice of a chat's character, beside the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jackfield import Character

if TYPE_CHECKING:
    from jackfield.chat_parts import ChatView

    from . import Characters

KEY = "characters.composer"


class Chooser:
    """Draws the choice."""

    def __init__(self, plugin: Characters) -> None:
        self._plugin = plugin

    def draw(self, chat: ChatView) -> None:
        """A small menu that is named after the character.

        What is chosen is kept in the drawing itself and not in a callback, which Streamlit may
        end before it has done anything.
        """
        import streamlit as st

        known = self._plugin.all()
        chosen, user = (str(chat.options.get(name) or "") for name in ("character", "user"))
        with st.popover(
            _name(chosen, known) if chosen else "Character",
            icon=":material/theater_comedy:",
            type="tertiary",
            disabled=chat.running,
            key=KEY,
        ):
            ids = list(dict.fromkeys(["", *known, chosen]))
            picked = st.selectbox(
                "Who answers",
                ids,
                index=ids.index(chosen),
                format_func=lambda id_: _name(id_, known),
                key=f"{KEY}.{chat.id}.{chosen}",
            )
            named = st.text_input(
                "Your name",
                value=user,
                placeholder=self._plugin.config.user,
                max_chars=100,
                key=f"{KEY}.{chat.id}.user.{user}",
            ).strip()
            st.caption("For a chat that begins with a greeting, go to the Characters page.")
        if (picked, named) != (chosen, user):
            chat.set(character=picked or None, user=named or None)
            st.rerun()


def _name(id_: str, known: Mapping[str, Character]) -> str:
    if not id_:
        return "The model itself"
    return known[id_].name if id_ in known else f"{id_} (deleted)"
