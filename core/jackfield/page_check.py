"""Why the dashboard could not show a plugin's page: one bad page would take all of it down."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

from jackfield.page import Page

BUILT_IN_PAGES = frozenset({"chat", "models", "plugins", "settings"})
"""Addresses of the dashboard's own pages."""


def wrong_page(page: Any, icons: frozenset[str]) -> str:
    """What is wrong with a page, or "".

    Args:
        icons: the names of icons there are; none: any name of the right form.
    """
    if not isinstance(page, Page):
        return f"it gave {page!r}, which is not a jackfield.Page"
    if not isinstance(page.title, str) or not page.title.strip():
        return f"the page {page.url_path!r} has no title"
    if not isinstance(page.url_path, str) or not re.fullmatch(r"[a-z0-9-]+", page.url_path):
        return f"the address {page.url_path!r} has more than lower-case letters, digits and hyphens"
    if page.url_path in BUILT_IN_PAGES:
        return f"the address {page.url_path!r} is that of a built-in page"
    icon = re.fullmatch(r":material/([a-z0-9_]+):", str(page.icon))
    if icon is None:
        return f"the icon {page.icon!r} is not of the form ':material/name:'"
    if icons and icon[1] not in icons:
        return f"there is no Material icon {icon[1]!r}"
    if not callable(page.draw):
        return f"the page {page.url_path!r} cannot be drawn: draw is {page.draw!r}"
    return ""


def known_icons() -> frozenset[str]:
    """Names of the icons that Streamlit knows, read from its list without importing it.

    None where the list is not to be found: then only the form of a name can be checked.
    """
    spec = importlib.util.find_spec("streamlit")
    if spec is None or not spec.origin:
        return frozenset()
    path = Path(spec.origin).with_name("material_icon_names.py")
    if not path.is_file():
        return frozenset()
    _, _, names = path.read_text(encoding="utf-8").partition("ALL_MATERIAL_ICONS = {")
    return frozenset(re.findall(r'"([a-z0-9_]+)"', names.partition("}")[0]))
