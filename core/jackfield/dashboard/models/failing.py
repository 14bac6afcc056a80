"""Why a model cannot be found or fetched, with the way out beside it."""

from __future__ import annotations

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.source import Offer
from jackfield.dashboard.go import go
from jackfield.dashboard.models.looking import look
from jackfield.dashboard.plugins.options import open_options
from jackfield.dashboard.words import plain, say_error, show_error
from jackfield.errors import JackfieldError, NotPermitted


def draw_failure(app: Application, error: JackfieldError, *, again: str) -> None:
    """An error, and what can be done about it here.

    Args:
        again: what was looked for.
    """
    show_error(error)
    nearest = str(error.details.get("nearest") or "")
    with st.container(horizontal=True):
        if nearest and nearest != again:
            st.button(
                f"Look for {plain(nearest)}",
                key="models:nearest",
                icon=":material/search:",
                on_click=look,
                args=(app, nearest),
            )
        st.button(
            "Try again",
            key="models:look-again",
            icon=":material/refresh:",
            on_click=look,
            args=(app, again),
        )
        if isinstance(error, NotPermitted) and not app.settings.value.offline:
            for name in _with_options(app):
                draw_options_button(name, "failed")


def draw_source_failure(app: Application, source: str, title: str, error: str, hint: str) -> None:
    """One source could not be searched; the results of the others stand beside this."""
    say_error(f"{title}: {error}", hint)
    if source in _with_options(app):
        draw_options_button(source, source)


def draw_gate(app: Application, offer: Offer, source: str) -> None:
    """What its owner wants before it can be fetched."""
    where = f"[its page]({offer.page})" if offer.page else "its page"
    st.warning(
        f"Its owner gives it only to who has accepted the terms: accept them on {where}, make an "
        "access token there, and enter that in the options of the source. Done that? Then go on.",
        icon=":material/lock:",
    )
    if source in _with_options(app):
        draw_options_button(source, "gate")


def draw_offline() -> None:
    """Offline mode is on."""
    st.warning(
        "Offline mode is on, so nothing can be searched or fetched. Switch it off in the settings.",
        icon=":material/wifi_off:",
    )
    if st.button("Open settings", key="models:to-settings", icon=":material/settings:"):
        go("settings")


def draw_options_button(plugin: str, where: str) -> None:
    """Leads to the options of a plugin, where a token is entered."""
    if st.button(
        f"Options of {plain(plugin)}", key=f"models:options:{plugin}:{where}", icon=":material/key:"
    ):
        open_options(plugin)
        go("plugins")


def _with_options(app: Application) -> list[str]:
    """Plugins that bring sources and have options."""
    return [
        one.name
        for one in app.plugins.records()
        if one.state == "enabled"
        and "jackfield_model_sources" in one.hooks
        and one.config_schema.get("properties")
    ]
