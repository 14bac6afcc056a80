"""What is saved for a model, in words; saving, forgetting, and taking that back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.model import CatalogModel
from jackfield.dashboard.models.state import attempt
from jackfield.dashboard.notices import notify
from jackfield.dashboard.words import plain
from jackfield.errors import JackfieldError
from jackfield.settings import ModelSettings

LONGEST = 60
"""Characters of a text that are shown of what is saved."""
WORDS = {
    "alias": "another name",
    "loader": "loader",
    "template": "template",
    "system_prompt": "agent description",
}


def saved_for(app: Application, name: str) -> ModelSettings:
    """What is saved for a model."""
    return app.settings.value.models.get(name, ModelSettings())


def save(app: Application, name: str, changes: Mapping[str, Any]) -> JackfieldError | None:
    """Save changes so that they can be undone; returns why that failed, if it did."""
    before = saved_for(app, name)
    try:
        after = app.model_settings.change(name, changes)
    except JackfieldError as error:
        return error
    _remember(name, before, after)
    return None


def draw_saved(app: Application, model: CatalogModel) -> None:
    """What is saved, with a button that forgets it and one that takes the last change back."""
    saved = saved_for(app, model.name)
    with st.container(horizontal=True, vertical_alignment="center", key=f"saved-{model.name}"):
        told = [f":violet-badge[{plain(one)}]" for one in _in_words(saved)]
        if told:
            st.markdown(f":material/bookmark: Saved: {' '.join(told)}", width="stretch")
        else:
            st.caption(
                "Nothing is saved for this model: all is chosen by itself or at its default.",
                width="stretch",
            )
        undo: tuple[ModelSettings, ModelSettings] | None = st.session_state.get(_key(model.name))
        if undo is not None and undo[1] == saved:
            st.button(
                "Undo",
                key=f"models:undo-it:{model.name}",
                icon=":material/undo:",
                help="Take the last change of what is saved back",
                on_click=_undo,
                args=(app, model.name, undo[0]),
            )
        if told:
            st.button(
                "Forget settings",
                key=f"models:forget:{model.name}",
                icon=":material/bookmark_remove:",
                type="tertiary",
                help="Back to the defaults in everything that is saved for this model",
                on_click=_forget,
                args=(app, model.name),
            )


def _in_words(saved: ModelSettings) -> list[str]:
    told = []
    for name, words in WORDS.items():
        if value := str(getattr(saved, name)):
            short = value if len(value) <= LONGEST else f"{value[:LONGEST].rstrip()}…"
            told.append(f"{words}: {' '.join(short.split())}")
    for name, value in (*saved.options.items(), *saved.sampling.items()):
        told.append(f"{name} = {value}")
    told += [f"adapter {Path(one.path).name} × {one.scale:g}" for one in saved.adapters]
    return told


def _key(name: str) -> str:
    return f"models:undo:{name}"


def _remember(name: str, before: ModelSettings, after: ModelSettings) -> None:
    if before != after:
        st.session_state[_key(name)] = (before, after)


def _forget(app: Application, name: str) -> None:
    before = saved_for(app, name)
    if attempt(lambda: app.model_settings.forget(name)):
        _remember(name, before, saved_for(app, name))
        notify(f"What was saved for {name} is forgotten.", ":material/bookmark_remove:")


def _undo(app: Application, name: str, before: ModelSettings) -> None:
    if attempt(lambda: app.model_settings.restore(name, before)):
        st.session_state.pop(_key(name), None)
        notify(f"The last change of what is saved for {name} is undone.", ":material/undo:")
