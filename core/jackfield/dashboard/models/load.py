"""The load form: a loader, its options, what that needs, and the button."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.model import CatalogModel
from jackfield.dashboard.forms import draw_form, read_fields
from jackfield.dashboard.models.memory import draw_forecast
from jackfield.dashboard.models.state import attempt, begin_load, resident_of
from jackfield.dashboard.words import plain, show_error
from jackfield.errors import JackfieldError, PluginConflict
from jackfield.forecast import Forecast
from jackfield.loader import Loader, Match
from jackfield.settings import ModelSettings

IN_SIGHT = 4
"""Options in sight; the others are behind "More options"."""


def draw_load(app: Application, model: CatalogModel) -> None:
    """The form; its estimate follows every change."""
    try:
        found = _draw_loader(app, model)
    except JackfieldError as error:
        show_error(error)
        return
    if found is not None:
        _draw_form(app, model, found.name)


def _draw_loader(app: Application, model: CatalogModel) -> Loader | None:
    """Which loader opens the model, and why; the user may choose another that can."""
    able = _able(app, model)
    chosen = _choice(app, model)
    if len(able) == 1 and chosen is not None:
        loader, match = chosen
        st.caption(f"Opened by the loader **{plain(loader.name)}**: {plain(match.reason)}.")
        return loader
    if chosen is None:
        st.info(
            "Several loaders open this model equally well. Choose one; your choice is kept with "
            "the model.",
            icon=":material/help:",
        )
    name = st.selectbox(
        "Loader",
        list(able),
        index=list(able).index(chosen[0].name) if chosen and chosen[0].name in able else None,
        format_func=lambda one: f"{one}: {able[one][1].reason}",
        key=f"models:loader:{model.name}",
        placeholder="Choose a loader",
        help="What opens the model's files and runs it. The best match is chosen for you.",
        persist_state="session",
    )
    return able[name][0] if name else None


def _able(app: Application, model: CatalogModel) -> dict[str, tuple[Loader, Match]]:
    """The loaders that can open a model, best first."""
    able = {}
    for name in app.plugins.loaders():
        try:
            able[name] = app.engine.choose_loader(model, name)
        except JackfieldError:
            continue  # this one cannot, which is no trouble
    return dict(sorted(able.items(), key=lambda pair: -pair[1][1].score))


def _choice(app: Application, model: CatalogModel) -> tuple[Loader, Match] | None:
    """The loader that would be used by itself; None where the user has to say."""
    try:
        return app.engine.choose_loader(model)
    except PluginConflict:
        return None


@st.fragment
def _draw_form(app: Application, model: CatalogModel, loader: str) -> None:
    options = app.plugins.loaders()[loader].Options
    schema = options.model_json_schema()
    kept = app.settings.value.models.get(model.name, ModelSettings())
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
        keep = st.toggle(
            "Keep these options",
            value=True,
            key=f"{prefix}:keep",
            help="Use them as well when a chat or the API asks for this model",
            persist_state="session",
        )
        force = refused and st.checkbox(
            "Load anyway",
            key=f"{prefix}:force",
            help="Try it though it is not expected to fit. If it takes the memory that other "
            "programs need, it is ended.",
        )
    if pressed and not wrong:  # not in a callback, which would be given the last run's values
        if begin_load(app, model.name, loader, given, force=force) and keep:
            _keep(app, model.name, loader, _to_keep(schema, drawn))
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
    changes = [(("models", model, "loader"), loader), (("models", model, "options"), options)]
    attempt(lambda: app.settings.update(changes))


def _to_keep(schema: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not the loader's defaults. Secrets are not for the settings file."""
    return {
        field.name: drawn[field.name]
        for field in read_fields(schema)
        if field.kind != "secret" and drawn[field.name] != field.start
    }
