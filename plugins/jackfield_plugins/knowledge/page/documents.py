"""The documents of a collection: adding, progress, the list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jackfield import JackfieldError
from jackfield_plugins.knowledge.jobs import Job
from jackfield_plugins.knowledge.page.attempt import attempt
from jackfield_plugins.knowledge.records import IndexedDocument

if TYPE_CHECKING:
    from jackfield_plugins.knowledge.library import Library

EVERY = 0.5
"""Seconds between two looks at jobs."""
SHOWN = 500
"""Documents in the list at most."""
WORDS = {"pending": "being indexed", "ready": "ready", "failed": "failed"}


def draw(library: Library, name: str) -> None:
    """Draw the section."""
    import streamlit as st

    _draw_adding(library, name)
    active = any(not job.over for job in library.jobs.of(name))
    st.fragment(_draw_jobs, run_every=EVERY if active else None)(library, name, active)
    _draw_list(library, name)


def draw_jobs(library: Library, name: str) -> None:
    """Jobs of a collection alone, refreshed while one runs."""
    import streamlit as st

    active = any(not job.over for job in library.jobs.of(name))
    st.fragment(_draw_jobs, run_every=EVERY if active else None)(library, name, active)


def _draw_adding(library: Library, name: str) -> None:
    import streamlit as st

    ways = ("Files", "Folder", "Web page", "Text")
    with st.expander("Add documents", icon=":material/add:", expanded=True):
        way = st.segmented_control(
            "What to add", ways, default=ways[0], key="knowledge-way", label_visibility="collapsed"
        )
        with st.form("knowledge-add", clear_on_submit=True, border=False):
            begin = _fields(library, name, way or ways[0])
            sent = st.form_submit_button(
                "Add", type="primary", key="knowledge-add-send", icon=":material/upload:"
            )
    if not sent:
        return
    try:
        begin()
    except JackfieldError as error:
        st.error(f"{error.message}\n\n{error.hint}".strip(), icon=":material/error:")


def _fields(library: Library, name: str, way: str) -> Callable[[], object]:
    """The fields of one way to add; what happens when they are sent."""
    import streamlit as st

    if way == "Files":
        files = st.file_uploader(
            "Files", accept_multiple_files=True, key="knowledge-files", label_visibility="collapsed"
        )
        return lambda: (
            library.upload(name, [(file.name, file.getvalue()) for file in files or ()])
            if files
            else None
        )
    if way == "Folder":
        path = st.text_input(
            "Folder or file on this computer", key="knowledge-path", placeholder="~/Documents"
        )
        watch = st.checkbox(
            "Follow changes",
            value=True,
            key="knowledge-watch",
            help="New, changed and deleted "
            "files are followed while Jackfield runs, and when it starts again.",
        )
        return lambda: library.path(name, Path(path), watch=watch) if path else None
    if way == "Web page":
        url = st.text_input("Address", key="knowledge-url", placeholder="https://")
        return lambda: library.page(name, url.strip()) if url.strip() else None
    title = st.text_input("Title", key="knowledge-title")
    text = st.text_area("Text", key="knowledge-text", height=200)
    return lambda: library.text(name, title, text)


def _draw_jobs(library: Library, name: str, active: bool) -> None:
    """Progress of what runs, and what came of the last job; redraws the page when all is done."""
    import streamlit as st

    jobs = library.jobs.of(name)
    running = [job for job in reversed(jobs) if not job.over]
    for job in running:
        bar, stop = st.columns([4, 1], vertical_alignment="center")
        count = f"{int(job.finished):,} of {job.total:,}" if job.total else "…"
        bar.progress(job.fraction, f"{job.what}: {count}  {job.current}"[:120])
        stop.button(
            "Stopping" if job.cancelled else "Cancel",
            key=f"knowledge-cancel-{job.id}",
            on_click=job.cancel,
            icon=":material/close:",
            disabled=job.cancelled,
            width="stretch",
        )
    if active and not running:
        st.rerun()
    if not running and jobs:
        _draw_outcome(jobs[0])


def _draw_outcome(job: Job) -> None:
    import streamlit as st

    if job.error:
        st.error(f"{job.what}: {job.error}", icon=":material/error:")
    elif job.kind == "index":
        words = {"embedded": "new passages"}
        told = ", ".join(
            f"{count:,} {words.get(word, word)}" for word, count in job.result.items() if count
        )
        ending = "cancelled; what was finished stays" if job.state == "cancelled" else told
        st.caption(f":material/check: {job.what}: {ending or 'nothing had changed'}.")
    for failure in job.failures[:5]:
        st.warning(failure, icon=":material/warning:")
    if len(job.failures) > 5:
        st.caption(f"and {len(job.failures) - 5:,} more: see the list")


def _draw_list(library: Library, name: str) -> None:
    import streamlit as st

    documents = library.catalogue.documents(library.catalogue.collection(name))
    if not documents:
        st.info("There is no document in this collection yet: add one above.")
        return
    rows = [
        {
            "title": one.title,
            "state": WORDS[one.state],
            "passages": one.chunks,
            "kB": round(one.size / 1000, 1),
            "source": one.uri,
            "notes": one.error or one.notes,
        }
        for one in documents[:SHOWN]
    ]
    chosen = st.dataframe(
        rows,
        hide_index=True,
        key="knowledge-list",
        on_select="rerun",
        selection_mode="single-row",
    )
    if len(documents) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(documents):,} documents.")
    places = chosen["selection"]["rows"]
    if not places or places[0] >= len(documents):
        st.caption("Choose a document in the list to show, re-index or remove it.")
        return
    _draw_choices(library, name, documents[places[0]])


def _draw_choices(library: Library, name: str, document: IndexedDocument) -> None:
    """What can be done with the document that was chosen in the list."""
    import streamlit as st

    show, again, away = st.columns(3)

    def open_passages() -> None:
        st.session_state["knowledge-section"] = "Passages"
        st.session_state["knowledge-document"] = document.id
        st.session_state["knowledge-from"] = 0

    show.button(
        "Show passages",
        key="knowledge-show",
        icon=":material/article:",
        on_click=open_passages,
        width="stretch",
    )
    again.button(
        "Read and index anew",
        key="knowledge-again",
        icon=":material/refresh:",
        on_click=attempt,
        args=(library.again, name, document.id),
        width="stretch",
    )
    away.button(
        "Remove",
        key="knowledge-remove",
        icon=":material/delete:",
        on_click=attempt,
        args=(library.remove, name, document.id),
        width="stretch",
        help="A file of yours stays where it is; in a watched folder it comes back.",
    )
    if document.error:
        st.error(document.error, icon=":material/error:")
