"""A model on this computer: what it is, and what can be done with it."""

from __future__ import annotations

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.model import CatalogModel
from jackfield.dashboard.models.keeping import draw_keeping
from jackfield.dashboard.models.load import draw_load
from jackfield.dashboard.models.sampling import draw_sampling
from jackfield.dashboard.models.saving import draw_saved, saved_for
from jackfield.dashboard.models.state import attempt, load, open_card, resident_of
from jackfield.dashboard.notices import notify
from jackfield.dashboard.words import amount, count, plain, say_error


def draw_card(app: Application, model: CatalogModel, *, is_open: bool) -> None:
    """A model's card; open, it has its settings and its files."""
    with st.container(border=True, key=f"model-{model.name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(plain(model.name), anchor=False)
            _draw_badges(app, model)
        if model.error:
            _draw_broken(app, model)
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(plain(_facts(model)), width="stretch")
            with st.container(horizontal=True, width="content"):
                _draw_buttons(app, model, is_open)
        if is_open:
            _draw_panel(app, model)


def _draw_badges(app: Application, model: CatalogModel) -> None:
    if model.error:
        st.badge("Cannot be used", icon=":material/error:", color="red")
        return
    resident = resident_of(app, model.name)
    match resident.state if resident is not None else "":
        case "ready":
            st.badge("In memory", icon=":material/check_circle:", color="green")
        case "loading":
            st.badge("Loading", icon=":material/hourglass_top:", color="blue")
    alias = saved_for(app, model.name).alias
    if alias:
        st.badge(f"also {alias}", color="violet")
    st.badge(model.format.upper() or "unknown", color="blue", help="Format of its files")
    if model.quantization:
        st.badge(
            model.quantization,
            color="gray",
            help="Quantization: how its weights were shortened. Fewer bits take less memory and "
            "cost some quality.",
        )


def _facts(model: CatalogModel) -> str:
    facts = [amount(model.size)] if model.size else []
    if model.parameters:
        facts.append(f"{count(model.parameters)} parameters")
    if model.architecture:
        facts.append(f"architecture {model.architecture}")
    if model.context_length:
        facts.append(f"context up to {model.context_length:,} tokens")
    if not model.writes:
        facts.append("for embeddings or ranking, not for chat")
    facts.append(f"licence {model.license}" if model.license else "licence unknown")
    if not model.chat_template and model.format == "gguf":
        facts.append("no chat template of its own")
    return " · ".join(facts)


def _draw_broken(app: Application, model: CatalogModel) -> None:
    message, _, hint = model.error.partition("\n")
    say_error(message, hint or "Fetch or copy the file anew, or remove it.")
    if model.path.is_absolute():
        st.caption(f"`{model.path}` · {amount(model.size)}")
    _draw_removal(app, model)


def _draw_buttons(app: Application, model: CatalogModel, is_open: bool) -> None:
    name = model.name
    if resident_of(app, name) is None and not is_open:
        st.button(
            "Load",
            key=f"models:load:{name}",
            icon=":material/play_arrow:",
            help="With the options that are saved for it",
            on_click=load,
            args=(app, name),
        )
    st.button(
        "Close" if is_open else "Settings",
        key=f"models:open:{name}",
        icon=":material/expand_less:" if is_open else ":material/tune:",
        type="tertiary" if is_open else "secondary",
        on_click=open_card,
        args=("" if is_open else name,),
    )


def _draw_panel(app: Application, model: CatalogModel) -> None:
    settings, files = st.tabs(
        ["Settings", "Files"], key=f"models:panel:{model.name}", on_change="rerun"
    )
    if settings.open:
        with settings:
            _draw_settings(app, model)
    if files.open:
        with files:
            st.code(str(model.path), language=None, wrap_lines=True)
            if model.source:
                st.caption(f"Fetched from {plain(model.source)}.")
            _draw_removal(app, model)


def _draw_settings(app: Application, model: CatalogModel) -> None:
    """How it is loaded, called, spoken to, and how it writes; and what of that is saved."""
    draw_saved(app, model)
    st.markdown("##### How it is loaded")
    draw_load(app, model)
    st.markdown("##### Name, chat template and agent description")
    draw_keeping(app, model)
    if model.writes:
        st.markdown("##### How it writes")
        draw_sampling(app, model)


def _draw_removal(app: Application, model: CatalogModel) -> None:
    if not model.path.is_absolute():
        st.caption("It is not on this computer, so there is nothing to remove here.")
        return
    inside = model.path.absolute().is_relative_to(app.paths.models.absolute())
    if not inside:
        st.caption(
            "It lies in a folder of yours, outside the models folder, so Jackfield does not "
            "delete it. Remove the file yourself, or take the folder off the list."
        )
        return
    if resident_of(app, model.name) is not None:
        st.caption("It is in memory. Unload it before you remove it.")
        return
    with st.popover("Remove", icon=":material/delete:", key=f"models:remove:{model.name}"):
        st.write(
            f"Delete the files of **{plain(model.name)}** from this computer? That frees "
            f"{amount(model.size)} of disk and cannot be undone."
        )
        st.button(
            f"Delete {model.name}",
            key=f"models:delete:{model.name}",
            icon=":material/delete:",
            on_click=_remove,
            args=(app, model.name),
        )


def _remove(app: Application, name: str) -> None:
    if attempt(lambda: app.catalog.remove(name)):
        notify(f"{name} is removed.", ":material/delete:")
