"""A document as it was cut; a citation opens it at its passage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield_plugins.knowledge.records import Chunk

if TYPE_CHECKING:
    from jackfield_plugins.knowledge.library import Library

AROUND = 10
"""Passages shown at once."""


def draw(library: Library, name: str) -> None:
    """Draw the section."""
    import streamlit as st

    collection = library.catalogue.collection(name)
    documents = {one.id: one for one in library.catalogue.documents(collection)}
    if not documents:
        st.info("There is no document in this collection yet: add one under Documents.")
        return
    cited = _cited(name)
    if cited is not None and st.session_state.get("knowledge-cited") != cited:
        st.session_state["knowledge-cited"] = cited
        st.session_state["knowledge-document"] = cited[0]
        st.session_state["knowledge-from"] = max(0, cited[1])
    if cited is not None and cited[0] not in documents:
        st.warning("The document of this citation is not in the collection any more.")
    if st.session_state.get("knowledge-document") not in documents:
        st.session_state["knowledge-document"] = next(iter(documents))
    number = st.selectbox(
        "Document",
        list(documents),
        format_func=lambda one: documents[one].title,
        key="knowledge-document",
    )
    document = documents[number]
    st.caption(f"{document.uri} · {document.chunks:,} passages · version {document.version}")
    first = min(int(st.session_state.get("knowledge-from", 0)), max(0, document.chunks - 1))
    for chunk in library.passages.chunks(document, first, AROUND):
        _draw_chunk(chunk, marked=cited == (document.id, chunk.number))
    _draw_turning(first, document.chunks)


def _cited(name: str) -> tuple[int, int] | None:
    """Document and chunk that the address names."""
    import streamlit as st

    if st.query_params.get("collection") != name:
        return None
    try:
        return int(st.query_params["document"]), int(st.query_params.get("chunk", "0"))
    except (KeyError, ValueError):
        return None


def _draw_chunk(chunk: Chunk, *, marked: bool) -> None:
    import streamlit as st

    with st.container(border=True):
        page = f" · page {chunk.page}" if chunk.page else ""
        st.caption(f"Passage {chunk.number + 1}{page} · {chunk.tokens} tokens · {chunk.heading}")
        if marked:
            st.badge("The cited passage", icon=":material/format_quote:", color="green")
        st.code(chunk.text, language=None, wrap_lines=True)


def _draw_turning(first: int, count: int) -> None:
    import streamlit as st

    def turn(by: int) -> None:
        st.session_state["knowledge-from"] = max(0, min(count - 1, first + by))

    back, place, on = st.columns([1, 2, 1], vertical_alignment="center")
    back.button(
        "Before",
        key="knowledge-before",
        icon=":material/arrow_upward:",
        on_click=turn,
        args=(-AROUND,),
        disabled=first == 0,
        width="stretch",
    )
    place.caption(f"Passages {first + 1} to {min(count, first + AROUND)} of {count:,}")
    on.button(
        "After",
        key="knowledge-after",
        icon=":material/arrow_downward:",
        on_click=turn,
        args=(AROUND,),
        disabled=first + AROUND >= count,
        width="stretch",
    )
