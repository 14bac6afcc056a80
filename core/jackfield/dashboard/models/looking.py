"""What a browser tab has looked for among the sources, and which model it has chosen."""

from __future__ import annotations

import re
from typing import TypeAlias

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.downloads import SearchResult
from jackfield.catalog.source import Offer
from jackfield.dashboard.background import Background

Found: TypeAlias = list[tuple[str, Offer]]
"""Versions of one model, each with its source's name."""
_SEARCH, _CHOICE, _SHOWN = "models:found", "models:choice", "models:shown"
AT_FIRST = 8
"""Results that are shown before the user asks for more."""
_ADDRESS = re.compile(r"\S+/\S+")


class Choice:
    """One model whose versions are looked up.

    Attributes:
        reference: what was asked for.
        source: which source was asked, "" for whichever knows it.
        card: the reference of the result it was chosen from, "" if it was typed or pasted.
    """

    def __init__(self, app: Application, reference: str, source: str = "", card: str = "") -> None:
        self.reference, self.source, self.card = reference, source, card
        self.work: Background[Found] = Background(
            reference, lambda _: app.downloads.variants(reference, source)
        )


def look(app: Application, typed: str) -> None:
    """Look for what was typed: an address or ``owner/name`` itself, words in all sources."""
    forget()
    typed = typed.strip()
    if _ADDRESS.fullmatch(typed):
        choose(app, typed)
    elif typed:
        work: Background[list[SearchResult]] = Background(
            typed, lambda _: app.downloads.search(typed)
        )
        st.session_state[_SEARCH] = work


def searched() -> Background[list[SearchResult]] | None:
    """The search whose results are shown."""
    work: Background[list[SearchResult]] | None = st.session_state.get(_SEARCH)
    return work


def choose(app: Application, reference: str, source: str = "", card: str = "") -> None:
    """Look up the versions of a model."""
    st.session_state[_CHOICE] = Choice(app, reference, source, card)


def chosen() -> Choice | None:
    """The model whose versions are shown."""
    choice: Choice | None = st.session_state.get(_CHOICE)
    return choice


def close() -> None:
    """Show no model's versions."""
    st.session_state.pop(_CHOICE, None)


def forget() -> None:
    """Show neither results nor versions."""
    for key in (_SEARCH, _CHOICE, _SHOWN):
        st.session_state.pop(key, None)


def shown() -> int:
    """How many results are shown."""
    return int(st.session_state.get(_SHOWN, AT_FIRST))


def show_more() -> None:
    """Show as many again."""
    st.session_state[_SHOWN] = shown() + AT_FIRST
