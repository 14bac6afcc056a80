"""The folders that are looked through for models."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.models.state import attempt
from jackfield.dashboard.words import listed, say_error

_WRONG = "models:folder:wrong"


def draw_folders(app: Application) -> None:
    """The models folder, the user's further ones, and how to put files there."""
    loaders = app.plugins.loaders().values()
    endings = sorted({ending for one in loaders for ending in one.extensions})
    st.write("Files that you put into this folder, or a folder inside it, are found by themselves:")
    st.code(str(app.paths.models), language=None, wrap_lines=True)
    if endings:
        st.caption(
            f"Looked for are files that end in {listed(f'`.{one}`' for one in endings)}: what the "
            "loaders open that are switched on."
        )
    st.markdown("**Further folders**")
    folders = app.settings.value.model_folders
    for folder in folders:
        with st.container(
            horizontal=True, vertical_alignment="center", key=f"folder-{folders.index(folder)}"
        ):
            missing = "" if Path(folder).expanduser().is_dir() else " :red[is not there]"
            st.markdown(f"`{folder}`{missing}", width="stretch")
            st.button(
                "Take off the list",
                key=f"models:folder:{folder}",
                icon=":material/close:",
                type="tertiary",
                help="The files stay where they are",
                on_click=_set,
                args=(app, [one for one in folders if one != folder]),
            )
    if not folders:
        st.caption("None. Add one if you keep models elsewhere; nothing is copied.")
    with (
        st.form("models:folders", border=False, clear_on_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        st.text_input("Add a folder", key="models:folder:new", placeholder="/home/me/models")
        st.form_submit_button("Add", icon=":material/add:", on_click=_add, args=(app,))
    wrong = st.session_state.pop(_WRONG, "")
    if wrong:
        say_error(wrong, "Give the whole path of a folder on this computer.")


def _add(app: Application) -> None:
    typed = str(st.session_state.get("models:folder:new", "")).strip()
    if not typed:
        return
    path = Path(typed).expanduser()
    if not path.is_absolute() or not path.is_dir():
        st.session_state[_WRONG] = f"There is no folder {typed!r}."
        return
    folders = app.settings.value.model_folders
    if str(path) not in folders:
        _set(app, [*folders, str(path)])


def _set(app: Application, folders: list[str]) -> None:
    attempt(lambda: app.settings.set("model_folders", folders or None))
