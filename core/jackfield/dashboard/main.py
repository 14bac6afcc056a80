"""The script that Streamlit runs for each browser: navigation, and the page that was chosen."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard import chat, models, plugins, settings
from jackfield.dashboard.current import application
from jackfield.errors import JackfieldError
from jackfield.page import Page

StreamlitPage: TypeAlias = st.Page

ICON = Path(__file__).with_name("assets") / "icon.svg"
SIDEBAR_WIDTH = 320  # pixels
BUILT_IN = (
    Page(title="Chat", url_path="chat", icon=":material/chat_bubble:", draw=chat.draw),
    Page(title="Models", url_path="models", icon=":material/deployed_code:", draw=models.draw),
    Page(title="Plugins", url_path="plugins", icon=":material/extension:", draw=plugins.draw),
    Page(title="Settings", url_path="settings", icon=":material/settings:", draw=settings.draw),
)


def main() -> None:
    """Draw the dashboard."""
    # A file of our own: with a page's symbol the browser would fetch the icon from outside.
    st.set_page_config(
        page_title="Jackfield", page_icon=str(ICON), initial_sidebar_state=SIDEBAR_WIDTH
    )
    st.logo(str(ICON), size="medium")
    app = application()
    built_in = [
        _entry(page, partial(_draw_built_in, page, app), default=page is BUILT_IN[0])
        for page in BUILT_IN
    ]
    plugins_page = built_in[2]
    added = [
        _entry(page, partial(_draw_plugin_page, owner, page, app, plugins_page))
        for owner, page in app.plugins.pages()
    ]
    sections = {"": built_in, "From plugins": added} if added else {"": built_in}
    st.navigation(sections, position="top").run()


def _entry(page: Page, draw: Callable[[], None], *, default: bool = False) -> StreamlitPage:
    return st.Page(draw, title=page.title, icon=page.icon, url_path=page.url_path, default=default)


def _draw_built_in(page: Page, app: Application) -> None:
    try:
        page.draw(app)
    except JackfieldError as error:
        st.error(f"{error.message}\n\n{error.hint}", icon=":material/error:")


def _draw_plugin_page(
    owner: str, page: Page, app: Application, plugins_page: StreamlitPage
) -> None:
    """Draw a plugin's page; its failure is its own and is shown in its place."""
    try:
        page.draw(app)
    except JackfieldError as error:
        st.error(f"{error.message}\n\n{error.hint}", icon=":material/error:")
    except Exception as error:  # a plugin's own code runs here
        logging.getLogger(__name__).exception("the page %r of plugin %r failed", page.title, owner)
        st.error(
            f"This page comes from the plugin **{owner}**, which failed to draw it: "
            f"{type(error).__name__}: {error}",
            icon=":material/extension_off:",
        )
        st.caption("Everything else works on. You can switch the plugin off, or update it.")
        if st.button("Open plugins", icon=":material/extension:", type="primary"):
            st.switch_page(plugins_page)


if __name__ == "__main__":
    main()
