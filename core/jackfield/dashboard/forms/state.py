"""What a form remembers between two runs of the script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st


class FormState:
    """The state of one form in one browser tab.

    Widgets are keyed by the form's prefix, a version and the field's path. When other values are
    to be shown than before (they were saved, or changed elsewhere) the version goes up: every
    widget is then a new one, and nothing that was typed before can come back.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._store: dict[str, Any] = st.session_state.setdefault(
            f"{prefix}:form", {"version": 0, "values": None, "kept": {}}
        )

    def show(self, values: Mapping[str, Any]) -> None:
        """Begin to draw: start afresh where these are not the values that were shown before."""
        if self._store["values"] is not None and self._store["values"] != values:
            self.forget()
        self._store["values"] = dict(values)

    def forget(self) -> None:
        """Let go of what was typed."""
        self._store.update(version=self._store["version"] + 1, values=None, kept={})

    def key(self, path: str) -> str:
        """A widget's key."""
        return f"{self.prefix}:{self._store['version']}:{path}"

    def seed(self, path: str, value: Any) -> str:
        """A widget's key, with a value to begin with."""
        key = self.key(path)
        if key not in st.session_state:
            st.session_state[key] = value
        return key

    def put(self, path: str, value: Any) -> None:
        """Change what a widget shows; for callbacks, which run before it is drawn."""
        st.session_state[self.key(path)] = value

    @property
    def kept(self) -> dict[str, Any]:
        """Notes of fields that are more than one widget, by path."""
        kept: dict[str, Any] = self._store["kept"]
        return kept
