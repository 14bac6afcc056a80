"""Acts behind buttons: what goes wrong is shown when the page is drawn next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jackfield import JackfieldError

KEY = "knowledge-error"


def attempt(do: Callable[..., object], *values: Any) -> None:
    """Do something in a callback."""
    import streamlit as st

    try:
        do(*values)
    except JackfieldError as error:
        st.session_state[KEY] = f"{error.message}\n\n{error.hint}".strip()


def show_error() -> None:
    """Show what went wrong, once."""
    import streamlit as st

    if wrong := st.session_state.pop(KEY, ""):
        st.error(wrong, icon=":material/error:")
