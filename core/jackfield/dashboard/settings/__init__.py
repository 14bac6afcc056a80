"""The Settings page: the form made from the settings' schema, where data lies, and the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.forms import draw_form, forget
from jackfield.dashboard.notices import draw_notices, notify, say_unchanged
from jackfield.dashboard.settings.allowed_tools import draw_allowed_tools
from jackfield.dashboard.settings.places import draw_api, draw_places
from jackfield.dashboard.words import listed, show_error
from jackfield.errors import JackfieldError
from jackfield.settings import ChatSettings, EngineSettings, ServerSettings, Settings

PREFIX = "settings"
SECTIONS: Mapping[str, str] = {
    "server": "Server",
    "engine": "Memory",
    "chat": "New chats",
}
HIDDEN = {"chat": ("sampling",)}
"""What other pages change: the sampling of a new chat is set in the chat."""


def draw(app: Application) -> None:
    """Draw the page."""
    st.title("Settings", anchor=False)
    draw_notices()
    _draw_problem(app)
    _draw_restart(app)
    _draw_form(app)
    draw_allowed_tools(app)
    draw_api(app)
    draw_places(app)


def _draw_problem(app: Application) -> None:
    """The settings file was broken by somebody while this server ran."""
    problem = app.settings.problem
    if problem is not None:
        show_error(problem)
        st.caption("Until then the last good settings stay in force, and nothing can be changed.")


def _draw_restart(app: Application) -> None:
    """What was changed and needs a restart, as long as it does."""
    before, now = app.server_at_start, app.settings.value.server
    waiting = [
        name.replace("_", " ").capitalize()
        for name in type(now).model_fields
        if getattr(now, name) != getattr(before, name)
    ]
    if waiting:
        st.info(
            f"{listed(waiting)}: in force when Jackfield is started the next time.",
            icon=":material/restart_alt:",
        )


@st.fragment
def _draw_form(app: Application) -> None:
    failed: JackfieldError | None = st.session_state.get(f"{PREFIX}:failed")
    errors = failed.details.get("errors", {}) if failed else {}
    now = app.settings.value.model_dump(mode="json")
    schemas = _schemas(app)
    drawn: dict[str, Any] = {}
    with st.container(border=True):
        st.subheader("Network", anchor=False)
        drawn |= draw_form(
            schemas[""],
            {"offline": now["offline"]},
            prefix=f"{PREFIX}:general",
            only=("offline",),
            errors=_of("", errors, only=("offline",)),
            answer="ignore",
        )
    for name, title in SECTIONS.items():
        with st.container(border=True, key=f"settings-{name}"):
            st.subheader(title, anchor=False)
            note = {"server": "Changes here take effect at the next start."}.get(name, "")
            if note:
                st.caption(f":material/restart_alt: {note}")
            shown = [one for one in schemas[name]["properties"] if one not in HIDDEN.get(name, ())]
            drawn[name] = draw_form(
                schemas[name],
                {one: now[name][one] for one in shown},
                prefix=f"{PREFIX}:{name}",
                only=shown,
                errors=_of(name, errors),
                answer="ignore",
            )
    with st.container(border=True, key="settings-folders"):
        st.subheader("Models", anchor=False)
        drawn |= draw_form(
            schemas[""],
            {"model_folders": now["model_folders"]},
            prefix=f"{PREFIX}:folders",
            only=("model_folders",),
            errors=_of("", errors, only=("model_folders",)),
            answer="ignore",
        )
    _draw_buttons(app, drawn, now)


def _draw_buttons(app: Application, drawn: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    with st.container(horizontal=True):
        save = st.button("Save", key=f"{PREFIX}:save", type="primary", icon=":material/check:")
        with st.popover("All defaults", icon=":material/undo:", key=f"{PREFIX}:defaults"):
            st.write(
                "Return everything on this page to its default? Models, plugins, chats and keys "
                "stay as they are."
            )
            reset = st.button("Return to defaults", key=f"{PREFIX}:reset")
    failed: JackfieldError | None = st.session_state.get(f"{PREFIX}:failed")
    if failed is not None:
        show_error(failed)
    if not save and not reset:
        return
    defaults = Settings().model_dump(mode="json")
    changes = [
        (key, None if reset or value == _at(defaults, key) else value)
        for key, value in _leaves(drawn)
        if reset or value != _at(now, key)
    ]
    if not changes:
        say_unchanged()
        return
    try:
        app.settings.update(changes)
    except JackfieldError as error:
        st.session_state[f"{PREFIX}:failed"] = error
    else:
        st.session_state.pop(f"{PREFIX}:failed", None)
        for part in ("general", "folders", *SECTIONS):
            forget(f"{PREFIX}:{part}")
        notify("Saved.")
    st.rerun()


def _schemas(app: Application) -> dict[str, dict[str, Any]]:
    """The schema of each section; "" is the settings themselves. Known names become choices."""
    chat = ChatSettings.model_json_schema()
    value = app.settings.value.chat
    models = app.catalog.writers()
    presets = app.plugins.sampling_presets()
    chat["properties"]["model"] |= _choices(value.model, models, "The last one used")
    chat["properties"]["preset"] |= _choices(value.preset, list(presets), "None")
    return {
        "": Settings.model_json_schema(),
        "server": ServerSettings.model_json_schema(),
        "engine": EngineSettings.model_json_schema(),
        "chat": chat,
    }


def _choices(now: str, names: list[str], empty: str) -> dict[str, Any]:
    """Names to choose from; one that is set and no longer there stays a choice."""
    gone = [now] if now and now not in names else []
    return {
        "enum": ["", *names, *gone],
        "names": {"": empty, **{one: f"{one} (not here)" for one in gone}},
    }


def _of(section: str, errors: Mapping[str, str], only: tuple[str, ...] = ()) -> dict[str, str]:
    """The errors of one section, by field."""
    if section:
        start = f"{section}."
        return {
            path.removeprefix(start): text
            for path, text in errors.items()
            if path.startswith(start)
        }
    return {path: text for path, text in errors.items() if path.split(".")[0] in only}


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Keys and values, one level down in the sections."""
    for name, value in values.items():
        if name in SECTIONS:
            yield from (((name, inner), one) for inner, one in value.items())
        else:
            yield (name,), value


def _at(values: Mapping[str, Any], key: tuple[str, ...]) -> Any:
    found: Any = values
    for name in key:
        found = found[name]
    return found
