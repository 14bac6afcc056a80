"""A plugin's card."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.plugins.install import uninstall
from jackfield.dashboard.plugins.options import draw_options, is_open, open_options
from jackfield.dashboard.plugins.words import PREFIX, does, is_ordered, touches
from jackfield.dashboard.words import plain, say_error, show_error
from jackfield.errors import JackfieldError
from jackfield.plugin_record import PluginRecord

OWN = "jackfield"
"""The distribution whose plugins come with the program and cannot be uninstalled."""


def draw_card(app: Application, record: PluginRecord, names: Sequence[str]) -> None:
    """A plugin with what it is, does and touches, and what can be done with it.

    Args:
        names: all plugins in their order, to move this one among them.
    """
    name = record.name
    with st.container(border=True, gap="xsmall", key=f"plugin-{name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(plain(name), anchor=False)
            _draw_state(app, record)
        if record.description:
            st.write(plain(record.description))
        if record.state == "set aside":
            say_error(record.error, record.advice)
        elif record.error:
            _draw_failures(app, record)
        if record.state != "set aside" or record.hooks:
            st.caption(f"{_sentence(does(record.hooks))} {touches(record.reach)}".strip())
        st.caption(_origin(record))
        with st.container(horizontal=True, vertical_alignment="center"):
            if record.state == "set aside":
                _draw_ways_out(app, record)
            _draw_actions(app, record, names)
        failed: JackfieldError | None = st.session_state.pop(f"plugins:{name}:trouble", None)
        if failed is not None:
            show_error(failed)
        if is_open(name):
            draw_options(app, name)


def _draw_state(app: Application, record: PluginRecord) -> None:
    """On or off, to be switched; the key holds the state, so that it shows what is so."""
    if record.state == "set aside":
        st.badge("Set aside", color="red", icon=":material/error:")
        return
    on = record.state == "enabled"
    st.toggle(
        "On" if on else "Off",
        value=on,
        key=f"plugins:{record.name}:switch:{record.state}",
        help="Takes effect at once, without a restart",
        on_change=act,
        args=(app, record.name, app.plugins.disable if on else app.plugins.enable),
    )


def act(app: Application, name: str, what: Callable[[str], object]) -> None:
    """Do something with a plugin; a failure is shown on its card at the next run."""
    try:
        what(name)
    except JackfieldError as error:
        st.session_state[f"plugins:{name}:trouble"] = error


def _draw_ways_out(app: Application, record: PluginRecord) -> None:
    """What can be done with a plugin that is set aside, besides uninstalling it."""
    ways = [
        ("again", "Try again", ":material/refresh:", app.plugins.enable),
        ("disable", "Disable", ":material/pause_circle:", app.plugins.disable),
    ]
    if record.config_schema.get("properties"):
        ways.append(("forget", "Reset its options", ":material/undo:", app.plugins.reset))
    for key, label, icon, way in ways:
        st.button(
            label,
            key=f"plugins:{record.name}:{key}",
            icon=icon,
            on_click=act,
            args=(app, record.name, way),
        )


def _draw_failures(app: Application, record: PluginRecord) -> None:
    """A plugin that runs, with a hook that failed."""
    st.warning(f"{plain(record.error)}\n\n{plain(record.advice)}", icon=":material/warning:")
    st.button(
        "Dismiss",
        key=f"plugins:{record.name}:dismiss",
        on_click=act,
        args=(app, record.name, app.plugins.clear_failures),
    )


def _draw_actions(app: Application, record: PluginRecord, names: Sequence[str]) -> None:
    name, place = record.name, names.index(record.name)
    if record.config_schema.get("properties"):
        st.button(
            "Close options" if is_open(name) else "Options",
            key=f"plugins:{name}:options",
            icon=":material/expand_less:" if is_open(name) else ":material/tune:",
            on_click=open_options,
            args=("" if is_open(name) else name,),
        )
    if record.distribution != OWN and record.origin != "registered":
        _draw_removal(app, record)
    if not is_ordered(record.hooks):
        return
    st.space("stretch")
    st.button(
        "Earlier",
        key=f"plugins:{name}:up",
        icon=":material/arrow_upward:",
        type="tertiary",
        help="Let it run before the plugin above it",
        disabled=place == 0,
        on_click=_move,
        args=(app, names, place, -1),
    )
    st.button(
        "Later",
        key=f"plugins:{name}:down",
        icon=":material/arrow_downward:",
        type="tertiary",
        help="Let it run after the plugin below it",
        disabled=place == len(names) - 1,
        on_click=_move,
        args=(app, names, place, 1),
    )


def _draw_removal(app: Application, record: PluginRecord) -> None:
    what = (
        f"the package **{plain(record.distribution)}** with all its plugins"
        if record.origin == "package"
        else f"the file `{record.path}`"
    )
    with st.popover("Uninstall", icon=":material/delete:", key=f"plugins:{record.name}:remove"):
        st.write(f"Remove {what} from this computer? Its options stay, should it come back.")
        st.button(
            f"Uninstall {record.name}",
            key=f"plugins:{record.name}:uninstall",
            icon=":material/delete:",
            on_click=uninstall,
            args=(app, record.name),
        )


def _move(app: Application, names: Sequence[str], place: int, by: int) -> None:
    order = list(names)
    order[place], order[place + by] = order[place + by], order[place]
    app.plugins.set_order(order)


def _origin(record: PluginRecord) -> str:
    """Where a plugin comes from, and what it cost to import."""
    if record.origin == "package" and record.distribution == OWN:
        where = f"Comes with Jackfield {record.version}"
    elif record.origin == "package":
        where = f"From the package {plain(record.distribution)} {record.version}"
    elif record.origin == "file":
        where = f"From the file `{record.path}`"
    else:
        where = "Registered by a program"
    parts = [where]
    if record.load_ms >= 0.5:
        parts.append(f"loaded in {record.load_ms:.0f} ms")
    if record.requires_api:
        parts.append(f"made for hooks {plain(record.requires_api)}")
    names = ", ".join(f"`{hook.removeprefix(PREFIX)}`" for hook in record.hooks)
    return " · ".join([*parts, f"hooks: {names}"] if names else parts)


def _sentence(words: str) -> str:
    return f"{words}." if words else ""
