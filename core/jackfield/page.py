"""A page of the dashboard, as a plugin offers it. Imports no Streamlit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from jackfield.application import Application


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the dashboard.

    Attributes:
        title: what stands in the menu.
        url_path: flat and unique, e.g. ``usage``.
        icon: a Material symbol of Streamlit's set, e.g. ``:material/bar_chart:``.
        draw: draws it with Streamlit; import Streamlit inside.
    """

    title: str
    url_path: str
    icon: str
    draw: Callable[[Application], None]
