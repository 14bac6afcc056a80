"""Tools that the user has allowed or refused for good."""

from __future__ import annotations

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.chat.tools import titles_of
from jackfield.dashboard.notices import notify
from jackfield.dashboard.words import plain


def draw_allowed_tools(app: Application) -> None:
    """Draw them, each with a button that has the user asked again."""
    allowed = app.settings.value.tools
    if not allowed:
        return
    titles = titles_of(app)
    with st.container(border=True, key="settings-tools"):
        st.subheader("Tools", anchor=False)
        st.caption("What you said for good when a model wanted to use a tool.")
        for name, answer in sorted(allowed.items()):
            with st.container(horizontal=True, vertical_alignment="center"):
                words = "always runs" if answer == "always" else "never runs"
                st.markdown(f"**{plain(titles.get(name, name))}** {words}", width="stretch")
                st.button(
                    "Ask again",
                    key=f"settings-tool-{name}",
                    type="tertiary",
                    icon=":material/undo:",
                    on_click=_forget,
                    args=(app, name),
                )


def _forget(app: Application, name: str) -> None:
    app.settings.set(("tools", name), None)
    notify("You will be asked again.")
