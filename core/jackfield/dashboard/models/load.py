"""The load form: a loader, its options, what that needs, and the button."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.model import CatalogModel
from jackfield.dashboard.forms import draw_form, read_fields
from jackfield.dashboard.models.memory import draw_forecast
from jackfield.dashboard.models.saving import save, saved_for
from jackfield.dashboard.models.state import begin_load, put_trouble, resident_of
from jackfield.dashboard.notices import notify
from jackfield.dashboard.words import plain, show_error
from jackfield.errors import JackfieldError, PluginConflict
from jackfield.forecast import Forecast
from jackfield.loader import Loader, Match

AUTOMATIC = ""
"""What is saved as the loader where the best match is to be taken."""
IN_SIGHT = 4
"""Options in sight; the others are behind "More options"."""


def draw_load(app: Application, model: CatalogModel) -> None:
    """The form; its estimate follows every change."""
    try:
        chosen, loader = _draw_loader(app, model)
    except JackfieldError as error:
        show_error(error)
        return
    if loader is not None:
        _draw_form(app, model, chosen, loader.name)


def _draw_loader(app: Application, model: CatalogModel) -> tuple[str, Loader | None]:
    """The loader that the user chose, "" for the automatic one, and the loader that it is."""
    able = app.model_settings.loaders(model)
    kept = saved_for(app, model.name).loader
    automatic = _automatic(app, model)
    if len(able) == 1 and automatic is not None and kept in ("", automatic[0].name):
        loader, match = automatic
        st.caption(f"Opened by the loader **{plain(loader.name)}**: {plain(match.reason)}.")
        return kept, loader
    if automatic is None and not kept:
        st.info(
            "Several loaders open this model equally well. Choose one; your choice is saved with "
            "the model.",
            icon=":material/help:",
        )
    words = {name: f"{name}: {match.reason}" for name, (_, match) in able.items()}
    if automatic is not None:
        loader, match = automatic
        words = {AUTOMATIC: f"Automatic ({loader.name}: {match.reason})", **words}
    if kept and kept not in able:
        st.warning(
            f"The loader {plain(kept)}, which is saved for this model, is not there or does not "
            "open it. Choose another and save it.",
            icon=":material/warning:",
        )
    name = st.selectbox(
        "Loader",
        list(words),
        index=list(words).index(kept) if kept in words else None,
        format_func=lambda one: words.get(one, one),
        key=f"models:loader:{model.name}:{kept}",
        placeholder="Choose a loader",
        help="What opens the model's files and runs it. The best match is chosen for you.",
        persist_state="session",
    )
    if name == AUTOMATIC:
        return AUTOMATIC, automatic[0] if automatic else None
    return name or "", able[name][0] if name in able else None


def _automatic(app: Application, model: CatalogModel) -> tuple[Loader, Match] | None:
    """The loader that would be used by itself; None where the user has to say."""
    try:
        return app.model_settings.automatic_loader(model)
    except PluginConflict:
        return None


@st.fragment
def _draw_form(app: Application, model: CatalogModel, chosen: str, loader: str) -> None:
    """The form of one loader; ``chosen`` is "" where it is the automatic one."""
    options = app.plugins.loaders()[loader].Options
    schema = options.model_json_schema()
    kept = saved_for(app, model.name)
    fields = read_fields(schema)
    values = {field.name: field.start for field in fields}
    if kept.loader in ("", loader):
        values |= kept.options
    prefix = f"models:options:{model.name}:{loader}"
    errors: dict[str, str] = st.session_state.get(f"{prefix}:errors", {})
    drawn = draw_form(schema, values, prefix=prefix, errors=errors, first=IN_SIGHT)
    given = _given(schema, kept.options if kept.loader in ("", loader) else {}, drawn)
    forecast, wrong = _draw_need(app, model, loader, given)
    if wrong != errors:
        st.session_state[f"{prefix}:errors"] = wrong
        st.rerun()
    defaults = _to_keep(schema, drawn)
    refused = forecast is not None and forecast.outcome == "refused"
    with st.container(horizontal=True, vertical_alignment="center"):
        resident = resident_of(app, model.name)
        pressed = st.button(
            "Load" if resident is None else "Load again with these options",
            key=f"{prefix}:go",
            type="primary",
            icon=":material/play_arrow:",
            disabled=bool(wrong),
        )
        keep = st.button(
            "Save as this model's defaults",
            key=f"{prefix}:keep",
            icon=":material/bookmark:",
            disabled=bool(wrong),
            help="Use this loader and these options as well when a chat, the API or the command "
            "line asks for this model",
        )
        force = refused and st.checkbox(
            "Load anyway",
            key=f"{prefix}:force",
            help="Try it though it is not expected to fit. If it takes the memory that other "
            "programs need, it is ended.",
        )
    if keep and not wrong:  # not in a callback, which would be given the last run's values
        _keep(app, model.name, chosen, defaults)
        st.rerun()
    if pressed and not wrong:
        begun = begin_load(app, model.name, loader, given, force=force)
        if begun and not kept.loader and _automatic(app, model) is None:
            _keep(app, model.name, chosen, kept.options)
        st.rerun()


def _draw_need(
    app: Application, model: CatalogModel, loader: str, options: Mapping[str, Any]
) -> tuple[Forecast | None, dict[str, str]]:
    """The memory it would need; returns that, and what is wrong with the options, by field."""
    place = st.container(height=104, border=False, key=f"need-{model.name}")
    try:
        forecast = app.engine.forecast(model.name, loader=loader, options=options)
    except JackfieldError as error:
        wrong: dict[str, str] = error.details.get("errors", {})
        with place:
            if wrong:
                st.caption("Correct what is marked to see how much memory it would need.")
            else:
                show_error(error)
        return None, wrong
    with place:
        draw_forecast(forecast)
    for reason in forecast.plan.settled.reasons:
        st.caption(f":material/info: {plain(reason)}")
    return forecast, {}


def _given(
    schema: Mapping[str, Any], kept: Mapping[str, Any], drawn: Mapping[str, Any]
) -> dict[str, Any]:
    """What the form says beyond the defaults, which leave the loader its choice."""
    return {
        field.name: drawn[field.name]
        for field in read_fields(schema)
        if field.name in kept or drawn[field.name] != field.start
    }


def _keep(app: Application, model: str, loader: str, options: dict[str, Any]) -> None:
    gone = {name: None for name in saved_for(app, model).options if name not in options}
    if error := save(app, model, {"loader": loader, "options": {**gone, **options}}):
        put_trouble(error)
    else:
        notify(f"Saved for {model}: loader and load options.", ":material/bookmark:")


def _to_keep(schema: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not the loader's defaults. Secrets are not for the settings file."""
    return {
        field.name: drawn[field.name]
        for field in read_fields(schema)
        if field.kind != "secret" and drawn[field.name] != field.start
    }
