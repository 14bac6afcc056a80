"""A word of confirmation, kept for the next run: what is said just before a rerun gets lost."""

from __future__ import annotations

import streamlit as st

_KEPT = "notices"


def notify(words: str, icon: str = ":material/check:") -> None:
    """Say something at the next run."""
    st.session_state.setdefault(_KEPT, []).append((words, icon))


def say_unchanged() -> None:
    """A form was saved in which nothing differs from what is kept."""
    st.toast(
        "Nothing was changed. A field in red holds a value that cannot be used.",
        icon=":material/info:",
    )


def draw_notices() -> None:
    """Say what was kept."""
    for words, icon in st.session_state.pop(_KEPT, []):
        st.toast(words, icon=icon)
