"""A page of the dashboard, as a plugin offers it. Imports no Streamlit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from fastapi import APIRouter

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


class Routes(msgspec.Struct, frozen=True, kw_only=True):
    """HTTP routes at paths of their own.

    Attributes:
        router: a ``fastapi.APIRouter`` with whole paths. Each lies below one of ``paths``.
        paths: e.g. ``/api/collections`` or ``/v1/audio``; below ``/v1`` an API key opens them,
            below ``/api`` the admin key. None may be one of Jackfield's own or another plugin's.
    """

    router: APIRouter
    paths: tuple[str, ...]
