"""The form of a plugin's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.forms import draw_form, forget, read_fields
from jackfield.dashboard.notices import notify, say_unchanged
from jackfield.dashboard.words import show_error
from jackfield.errors import JackfieldError
from jackfield.plugin_record import PluginRecord

OPEN = "plugins:open"


def is_open(name: str) -> bool:
    """Whether a plugin's options are unfolded."""
    return bool(st.session_state.get(OPEN) == name)


def open_options(name: str) -> None:
    """Unfold a plugin's options, and fold the others'."""
    st.session_state[OPEN] = name


@st.fragment
def draw_options(app: Application, name: str) -> None:
    """The form, and the buttons that save it or return to the author's options."""
    record = app.plugins.record(name)
    prefix = f"plugins:{name}"
    failed: JackfieldError | None = st.session_state.get(f"{prefix}:failed")
    errors = failed.details.get("errors", {}) if failed else {}
    values = draw_form(
        record.config_schema, record.config, prefix=prefix, errors=errors, answer="ignore"
    )
    if failed and not errors:
        show_error(failed)
    with st.container(horizontal=True):
        save = st.button("Save", key=f"{prefix}:save", type="primary", icon=":material/check:")
        with st.popover("Defaults", icon=":material/undo:", key=f"{prefix}:defaults"):
            st.write("Return all options of this plugin to its author's? Secrets stay.")
            reset = st.button("Return to defaults", key=f"{prefix}:reset")
    if not save and not reset:
        return
    if save and not _changed(record, values):
        say_unchanged()
        return
    try:
        if save:
            app.plugins.configure(name, values)
        else:
            app.plugins.reset(name)
    except JackfieldError as error:
        st.session_state[f"{prefix}:failed"] = error
    else:
        st.session_state.pop(f"{prefix}:failed", None)
        forget(prefix)
        notify(f"Saved. {name} uses it from the next message on.")
    st.rerun()


def _changed(record: PluginRecord, values: Mapping[str, Any]) -> bool:
    """Whether the form holds anything else than what is kept; an empty secret keeps its value."""
    kinds = {field.name: field.kind for field in read_fields(record.config_schema)}
    return any(
        value != "" if kinds[name] == "secret" else value != record.config.get(name, ...)
        for name, value in values.items()
    )
