"""The page Knowledge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import JackfieldError
from jackfield_plugins.knowledge.page import collections, documents, measure, passages, search
from jackfield_plugins.knowledge.page.attempt import show_error

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield_plugins.knowledge import Knowledge
    from jackfield_plugins.knowledge.library import Library

SECTIONS = ("Documents", "Search", "Passages", "Measure")


def draw(knowledge: Knowledge, app: Application) -> None:
    """Draw the page."""
    import streamlit as st

    st.title("Knowledge")
    try:
        library = knowledge.library()
    except JackfieldError as error:
        st.error(f"{error.message}\n\n{error.hint}", icon=":material/error:")
        return
    names = [one.name for one in library.catalogue.collections()]
    if not names:
        st.info(
            "A collection holds documents that answers are looked up in. Make your first one: "
            "give it a name, then add documents to it.",
            icon=":material/library_books:",
        )
        collections.draw_new(knowledge, library, first=True)
        return
    show_error()
    name = _chosen(knowledge, library, names)
    section = _section()
    if section == "Documents":
        documents.draw(library, name)
    elif section == "Search":
        search.draw(knowledge, library, name)
    elif section == "Passages":
        passages.draw(library, name)
    else:
        measure.draw(knowledge, app, library, name)


def _chosen(knowledge: Knowledge, library: Library, names: list[str]) -> str:
    """The collection that is shown, with what can be done with it beside it."""
    import streamlit as st

    asked = st.query_params.get("collection", "")
    if asked in names and st.session_state.get("knowledge-asked") != dict(st.query_params):
        st.session_state["knowledge-asked"] = dict(st.query_params)
        st.session_state["knowledge-collection"] = asked
        if "document" in st.query_params:
            st.session_state["knowledge-section"] = "Passages"
    if st.session_state.get("knowledge-collection") not in names:
        st.session_state["knowledge-collection"] = names[0]
    choice, more, new = st.columns([6, 2, 2], vertical_alignment="bottom")
    name = choice.selectbox("Collection", names, key="knowledge-collection")
    with more.popover("Manage", icon=":material/tune:", width="stretch"):
        collections.draw_manage(library, name)
    with new.popover("New", icon=":material/add:", width="stretch"):
        collections.draw_new(knowledge, library, first=False)
    one = library.catalogue.collection(name)
    st.caption(
        f"{one.documents:,} documents, {one.chunks:,} passages of up to {one.chunk_tokens} tokens "
        f"· embedding model {one.model}, {one.dimensions} dimensions"
    )
    return name


def _section() -> str:
    import streamlit as st

    if st.session_state.get("knowledge-section") not in SECTIONS:
        st.session_state["knowledge-section"] = SECTIONS[0]
    st.segmented_control(
        "Section", SECTIONS, key="knowledge-section", label_visibility="collapsed", required=True
    )
    return str(st.session_state["knowledge-section"] or SECTIONS[0])
