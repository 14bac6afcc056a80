"""Going from one page of the dashboard to another."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st


def go(url_path: str) -> NoReturn:
    """Show another page; Streamlit finds it by its path alone."""
    st.switch_page(st.Page(_other, title=url_path, url_path=url_path))


def _other() -> None:
    """Stands for the page's own function, which is not called by way of this."""
