"""Getting more models: the search, what it finds, and what the sources offer by themselves."""

from __future__ import annotations

import time

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.downloads import SearchResult
from jackfield.catalog.source import Offer
from jackfield.dashboard.background import Background
from jackfield.dashboard.models.choice import POLL, draw_button, draw_choice
from jackfield.dashboard.models.failing import draw_offline, draw_source_failure
from jackfield.dashboard.models.looking import (
    choose,
    chosen,
    close,
    forget,
    look,
    searched,
    show_more,
    shown,
)
from jackfield.dashboard.words import amount, count, duration, plain

TYPED = "models:more:words"


def draw_more(app: Application) -> None:
    """The search field, and below it results, one model, or what is offered unasked."""
    sources = app.plugins.model_sources()
    if not sources:
        st.info(
            "No plugin offers models to download. The plugin **packages** brings a small one, and "
            "**hub** finds many; switch them on, on the Plugins page. You can always put files "
            "into the models folder.",
            icon=":material/extension:",
        )
        return
    if app.settings.value.offline:
        draw_offline()
    _draw_form(app)
    search, choice = searched(), chosen()
    if search is not None:
        _draw_search(app, search)
    elif choice is not None and not choice.card:
        with st.container(border=True, key="models-asked"):
            _draw_heading(choice.reference)
            draw_choice(app, choice)
    else:
        _draw_offers(app)


def _draw_form(app: Application) -> None:
    with (
        st.form("models:look", border=False),
        st.container(horizontal=True, vertical_alignment="bottom", key="models-look"),
    ):
        typed = st.text_input(
            "Search, or paste an address",
            key=TYPED,
            placeholder="smollm2, owner/name, or https://.../model.gguf",
            help="Words are looked for in all sources. You can also paste a model's name on the "
            "Hugging Face Hub (owner/name), the address of its page, or that of a .gguf file.",
            persist_state="session",
        )
        asked = st.form_submit_button(
            "Search", icon=":material/search:", disabled=app.settings.value.offline
        )
    if asked:
        look(app, typed or "")


def _draw_heading(title: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(title), anchor=False)
        st.button("Close", key="models:forget", icon=":material/close:", on_click=forget)


def _draw_search(app: Application, search: Background[list[SearchResult]]) -> None:
    if not search.done:
        st.fragment(_watch, run_every=POLL, key="models-searching")(search)
        return
    results = search.result()
    found = [(result, offer) for result in results for offer in result.offers]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{len(found)} found for {plain(search.title)}, those that are fetched most first"
            if found
            else f"Nothing is called {plain(search.title)}. Try fewer or other words."
            if not all(one.error for one in results)
            else f"{plain(search.title)} could not be looked for."
        )
        st.button("Clear search", key="models:forget", icon=":material/close:", on_click=forget)
    for result in results:
        if result.error:
            draw_source_failure(app, result.source, result.title, result.error, result.hint)
    for result, offer in found[: shown()]:
        _draw_found(app, result.source, result.title, offer)
    if len(found) > shown():
        st.button("Show more", key="models:show-more", on_click=show_more)


def _watch(search: Background[list[SearchResult]]) -> None:
    if search.done:
        st.rerun()
    waited = duration(time.monotonic() - search.started)
    st.caption(f":material/hourglass_top: Looking for {plain(search.title)}, {waited}")
    st.button("Cancel", key="models:stop-looking", icon=":material/close:", on_click=forget)


def _draw_found(app: Application, source: str, origin: str, offer: Offer) -> None:
    """One result: what it is, and its versions where it was opened."""
    choice = chosen()
    reference = offer.reference or offer.name
    is_open = choice is not None and (choice.card, choice.source) == (reference, source)
    with st.container(border=True, key=f"found-{source}-{offer.name}", gap="small"):
        _draw_title(offer)
        st.caption(plain(_facts(offer, origin)))
        if offer.size or offer.files:
            draw_button(app, source, offer)
            return
        st.button(
            "Close" if is_open else "Choose a version",
            key=f"models:choose:{source}:{reference}",
            icon=":material/expand_less:" if is_open else ":material/expand_more:",
            on_click=close if is_open else choose,
            args=() if is_open else (app, reference, source, reference),
        )
        if is_open and choice is not None:
            draw_choice(app, choice)


def _draw_title(offer: Offer) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(offer.title), anchor=False)
        if offer.quantization:
            st.badge(
                offer.quantization,
                color="gray",
                help="Quantization: how its weights were shortened. Fewer bits take less memory "
                "and cost some quality.",
            )
        if offer.gated:
            st.badge("Terms to accept", icon=":material/lock:", color="orange")
    if offer.description:
        st.write(plain(offer.description))


def _facts(offer: Offer, origin: str) -> str:
    facts = [f"{amount(offer.size)} to download"] if offer.size else []
    facts += [f"licence {offer.license or 'unknown'}", f"from {origin}"]
    if offer.popularity:
        facts.append(f"fetched {count(offer.popularity)} times lately")
    return " · ".join(facts)


def _draw_offers(app: Application) -> None:
    """What the sources list by themselves, with size and licence before anything is fetched."""
    sources = app.plugins.model_sources()
    offers = app.downloads.offers()
    if offers:
        st.caption("To begin with")
    for source, offer in offers:
        origin = sources[source].title if source in sources else source
        with st.container(border=True, key=f"offer-{offer.name}", gap="small"):
            _draw_title(offer)
            st.caption(plain(_facts(offer, origin)))
            draw_button(app, source, offer, primary=True)
