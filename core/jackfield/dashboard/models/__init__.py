"""The Models page: what is in memory, what is on this computer, and where to get more."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.model import CatalogModel
from jackfield.dashboard.models.adapters import draw_adapter_list
from jackfield.dashboard.models.cards import draw_card
from jackfield.dashboard.models.downloads import draw_downloads
from jackfield.dashboard.models.folders import draw_folders
from jackfield.dashboard.models.more import draw_more
from jackfield.dashboard.models.residents import draw_residents
from jackfield.dashboard.models.state import draw_trouble, opened
from jackfield.dashboard.notices import draw_notices

MANY = 8
"""From so many models on there is a search box."""


def draw(app: Application) -> None:
    """Draw the page."""
    models = app.catalog.scan()
    st.title("Models", anchor=False)
    draw_notices()
    draw_trouble()
    draw_residents(app)
    draw_downloads(app)
    here, more, folders = st.tabs(
        ["On this computer", "Get more", "Folders"],  # a tab renamed is a tab left
        key="models:tabs",
        on_change="rerun",
    )
    if here.open:
        with here:
            _draw_models(app, models)
    if more.open:
        with more:
            draw_more(app)
    if folders.open:
        with folders:
            draw_folders(app)


def _draw_models(app: Application, models: Sequence[CatalogModel]) -> None:
    if not models:
        _draw_empty(app)
        return
    words = ""
    if len(models) >= MANY:
        words = (
            st.text_input(
                "Search",
                type="search",
                live=True,
                placeholder="Search",
                key="models:search",
                label_visibility="collapsed",
                persist_state="session",
            )
            or ""
        )
    shown = [model for model in models if _matches(model, words)]
    for model in sorted(shown, key=lambda one: (bool(one.error), one.name)):
        draw_card(app, model, is_open=model.name == opened())
    if not shown:
        st.caption("No model is like that. Clear the search.")
    draw_adapter_list(app)


def _draw_empty(app: Application) -> None:
    """Nothing is here: what to do next."""
    if not app.plugins.loaders():
        st.warning(
            "No plugin that opens models is switched on, so files are not even looked for. "
            "Switch one on, or install one, on the Plugins page.",
            icon=":material/extension_off:",
        )
        return
    st.info(
        "No model is here yet. Fetch one of these, or put a file of your own into the models "
        "folder: **Folders** says where that is.",
        icon=":material/deployed_code:",
    )
    draw_more(app)


def _matches(model: CatalogModel, words: str) -> bool:
    text = f"{model.name} {model.format} {model.architecture} {model.quantization}".lower()
    return all(word in text for word in words.lower().split())
