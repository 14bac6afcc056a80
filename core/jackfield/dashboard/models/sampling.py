"""The sampling parameters that are kept for one model."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.model import CatalogModel
from jackfield.dashboard import sampling_controls
from jackfield.dashboard.models.saving import save, saved_for
from jackfield.dashboard.models.state import put_trouble, resident_of
from jackfield.sampling import SamplingParams


def draw_sampling(app: Application, model: CatalogModel) -> None:
    """The parameters; each is saved as it is changed."""
    st.caption(
        "How this model writes, in the dashboard and over the API, unless a chat or a request "
        "says otherwise. Saved as you change it."
    )
    kept = _kept(app, model.name)
    seen = f"models:sampling:{model.name}"
    revision, shown = st.session_state.get(seen, (0, kept))
    if shown != kept:  # somebody else changed it: begin with fresh widgets
        revision += 1
    st.session_state[seen] = (revision, kept)
    resident = resident_of(app, model.name)
    supported = resident.info.sampling_fields if resident and resident.info else None
    sampling_controls.draw(
        kept,
        SamplingParams(),
        supported,
        scope=f"{seen}:{revision}",
        change=partial(_change, app, model.name),
    )
    if kept:
        st.button(
            "Back to the defaults",
            key=f"{seen}:reset",
            icon=":material/undo:",
            on_click=_reset,
            args=(app, model.name),
        )


def _kept(app: Application, name: str) -> dict[str, Any]:
    return dict(saved_for(app, name).sampling)


def _change(app: Application, name: str, parameter: str, value: Any) -> None:
    """Keep one parameter; one that is as without it is not kept."""
    as_without = value == getattr(SamplingParams(), parameter)
    if error := save(app, name, {"sampling": {parameter: None if as_without else value}}):
        put_trouble(error)
    else:
        seen = f"models:sampling:{name}"
        st.session_state[seen] = (st.session_state[seen][0], _kept(app, name))


def _reset(app: Application, name: str) -> None:
    if error := save(app, name, {"sampling": None}):
        put_trouble(error)
