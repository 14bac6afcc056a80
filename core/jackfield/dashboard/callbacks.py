"""Callbacks of widgets that lose nothing when clicks follow each other closely."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st


def take(key: str, note: Callable[[Any], None], *, drawn: Any = None) -> None:
    """Hand a widget's value to ``note``, in the widget's callback.

    Streamlit ends a callback at its first touch of the session's state if the next click has come
    by then, and does not call it again. The value is noted all the same, and then it may have its
    way. ``note`` must not touch Streamlit.

    Args:
        drawn: the value that the widget was drawn with. Streamlit also calls back for a widget that
            is gone when the browser still sends its value: then it is this one, and not noted.
    """
    try:
        value = st.session_state[key]
    except Exception:
        raise
    except BaseException:  # how Streamlit interrupts; nothing public names it
        value = st.session_state[key]
        if value != drawn:
            note(value)
        raise
    if value != drawn:
        note(value)
