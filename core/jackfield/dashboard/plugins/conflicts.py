"""What several plugins offer and only one may: the user is asked which."""

from __future__ import annotations

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.plugins.words import offered
from jackfield.dashboard.words import listed, plain
from jackfield.plugin_record import Conflict


def draw_conflicts(app: Application) -> None:
    """Open questions, and below them, folded, those that were answered."""
    conflicts = app.plugins.conflicts()
    for conflict in conflicts:
        if conflict.chosen is None:
            with st.container(border=True, key=f"conflict-{conflict.what}"):
                st.warning(
                    f"{_how_many(conflict)} offer {offered(conflict.what)}: "
                    f"{listed(plain(one) for one in conflict.owners)}. Which should be used? "
                    "Until you choose, none of them is.",
                    icon=":material/help:",
                )
                _draw_choices(app, conflict)
    answered = [one for one in conflicts if one.chosen is not None]
    if answered:
        with st.expander(f"Choices you made ({len(answered)})", icon=":material/rule:"):
            for conflict in answered:
                st.write(
                    f"For {offered(conflict.what)}, **{plain(str(conflict.chosen))}** is used."
                )
                _draw_choices(app, conflict)


def _draw_choices(app: Application, conflict: Conflict) -> None:
    with st.container(horizontal=True):
        for owner in conflict.owners:
            st.button(
                f"Use {owner}",
                key=f"plugins:conflict:{conflict.what}:{owner}",
                disabled=owner == conflict.chosen,
                on_click=app.plugins.choose,
                args=(conflict.what, owner),
            )


def _how_many(conflict: Conflict) -> str:
    number = len(conflict.owners)
    return {2: "Two plugins", 3: "Three plugins"}.get(number, f"{number} plugins")
