"""The Plugins page: what is installed, what it does and touches, its options, and more plugins."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.notices import draw_notices
from jackfield.dashboard.plugins.cards import draw_card
from jackfield.dashboard.plugins.conflicts import draw_conflicts
from jackfield.dashboard.plugins.environments import draw_environments
from jackfield.dashboard.plugins.install import draw_install, draw_work
from jackfield.dashboard.plugins.words import does
from jackfield.plugin_record import PluginRecord

FILTERS = {"All": "", "On": "enabled", "Off": "disabled", "Set aside": "set aside"}


def draw(app: Application) -> None:
    """Draw the page."""
    records = app.plugins.records()
    st.title("Plugins", anchor=False)
    draw_notices()
    draw_work()
    draw_conflicts(app)
    here, more, apart, own = st.tabs(
        [f"Installed ({len(records)})", "Install", "Environments", "Write your own"],
        key="plugins:tabs",
        on_change="rerun",
    )
    if here.open:
        with here:
            _draw_installed(app, records)
    if more.open:
        with more:
            draw_install(app)
    if apart.open:
        with apart:
            draw_environments(app)
    if own.open:
        with own:
            _draw_writing(app)


def _draw_installed(app: Application, records: Sequence[PluginRecord]) -> None:
    if not records:
        st.info(
            "No plugin is installed, so there is nothing that opens models yet. "
            "Install one in the next tab; Jackfield's own come with the package **jackfield**.",
            icon=":material/extension:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        words = st.text_input(
            "Search",
            type="search",
            live=True,
            placeholder="Search",
            key="plugins:search",
            label_visibility="collapsed",
            persist_state="session",
            width=260,
        )
        wanted = st.segmented_control(
            "Show",
            list(FILTERS),
            default="All",
            required=True,
            key="plugins:filter",
            label_visibility="collapsed",
            persist_state="session",
        )
    shown = [
        one
        for one in records
        if FILTERS[wanted or "All"] in ("", one.state) and _matches(one, words or "")
    ]
    names = [one.name for one in records]
    for record in sorted(shown, key=lambda one: (one.state != "set aside", one.order)):
        draw_card(app, record, names)
    if not shown:
        st.caption("No plugin is like that. Clear the search, or show all.")


def _matches(record: PluginRecord, words: str) -> bool:
    """Whether every word is found somewhere in what the card says."""
    text = " ".join(
        (record.name, record.description, record.distribution, record.error, does(record.hooks))
    ).lower()
    return all(word in text for word in words.lower().split())


def _draw_writing(app: Application) -> None:
    """The shortest way to a plugin of one's own."""
    st.write("A plugin is a Python class. This one answers in capitals:")
    st.code(
        "from jackfield import Field, Plugin, hookimpl\n\n\n"
        "class Shout(Plugin):\n"
        '    """Answers in capitals."""\n\n'
        "    class Config(Plugin.Config):\n"
        '        marks: int = Field(1, ge=0, le=5, description="Exclamation marks to add")\n\n'
        "    @hookimpl\n"
        "    def jackfield_transform_reply(self, reply, turn):\n"
        '        return reply.upper() + "!" * self.config.marks\n',
        language="python",
    )
    st.write("To try it, save it as a file in this folder, then look for it:")
    st.code(str(app.paths.plugins / "shout.py"), language=None)
    st.button(
        "Look for new plugins",
        key="plugins:discover",
        icon=":material/refresh:",
        on_click=app.plugins.discover,
    )
    st.write("To make a package of it, with tests, that others can install:")
    st.code("jackfield plugins new shout", language="bash")
    st.caption(
        "The tutorial and the reference of all hooks are in the docs folder of Jackfield's "
        "sources: docs/tutorial and docs/reference/hooks.md."
    )
