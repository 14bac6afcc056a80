"""Callbacks of widgets that lose nothing when clicks follow each other closely."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st


def take(key: str, note: Callable[[Any], None]) -> None:
    """Hand a widget's value to ``note``, in the widget's callback.

    Streamlit ends a callback at its first touch of the session's state if the next click has come
    by then, and does not call it again. The value is noted all the same, and then it may have its
    way. ``note`` must not touch Streamlit.
    """
    try:
        value = st.session_state[key]
    except Exception:
        raise
    except BaseException:  # how Streamlit interrupts; nothing public names it
        note(st.session_state[key])
        raise
    note(value)
