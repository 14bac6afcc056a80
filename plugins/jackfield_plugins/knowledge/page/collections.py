"""Making and managing collections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import JackfieldError

if TYPE_CHECKING:
    from jackfield_plugins.knowledge import Knowledge
    from jackfield_plugins.knowledge.library import Library


def draw_new(knowledge: Knowledge, library: Library, *, first: bool) -> None:
    """A form for a new collection."""
    import streamlit as st

    models = library.app.embedding.able("embedding")
    if not models:
        st.warning(
            "No model here makes embeddings (numbers that tell what a text is about), which a "
            "collection needs. Get one on the Models page, for example all-MiniLM-L6-v2.",
            icon=":material/warning:",
        )
        return
    config = knowledge.config
    preferred = config.embedding_model if config.embedding_model in models else models[0]
    with st.form("knowledge-new", border=first):
        name = st.text_input("Name", key="knowledge-new-name", placeholder="manuals")
        model = st.selectbox(
            "Embedding model",
            models,
            index=models.index(preferred),
            key="knowledge-new-model",
            help="It turns texts into numbers that tell what they are about. It cannot be "
            "changed later.",
        )
        tokens = st.slider(
            "Tokens of a passage, at most",
            32,
            1024,
            value=min(1024, config.chunk_tokens),
            key="knowledge-new-tokens",
            help="Short passages are found precisely, long ones hold more context. A token is "
            "about three quarters of an English word.",
        )
        overlap = st.slider(
            "Tokens that neighbours share",
            0,
            256,
            value=min(256, config.overlap),
            key="knowledge-new-overlap",
            help="So that a sentence at a border is whole in one of the two.",
        )
        if not st.form_submit_button(
            "Create", type="primary" if first else "secondary", key="knowledge-new-create"
        ):
            return
    try:
        with st.spinner(f"{model} is asked for its first vector …"):
            library.create(name.strip(), model, chunk_tokens=tokens, overlap=overlap)
    except JackfieldError as error:
        st.error(f"{error.message}\n\n{error.hint}", icon=":material/error:")
        return
    st.query_params.clear()
    st.query_params["collection"] = name.strip()
    st.rerun()


def draw_manage(library: Library, name: str) -> None:
    """How documents are cut, watched folders, and deleting."""
    import streamlit as st

    collection = library.catalogue.collection(name)
    tokens = st.slider(
        "Tokens of a passage, at most",
        32,
        1024,
        value=min(1024, collection.chunk_tokens),
        key=f"knowledge-cut-tokens-{collection.id}",
    )
    overlap = st.slider(
        "Tokens that neighbours share",
        0,
        256,
        value=min(256, collection.overlap),
        key=f"knowledge-cut-overlap-{collection.id}",
    )
    if st.button("Cut and index all anew", key="knowledge-cut", icon=":material/refresh:"):
        if overlap * 2 > tokens:
            st.error("Neighbours can share half a passage at most.")
        else:
            library.catalogue.change(collection, chunk_tokens=tokens, overlap=overlap)
            library.again(name)
            st.rerun()
    for folder in collection.folders:
        st.caption(f"Watched: {folder}")
        if st.button("Watch no longer", key=f"knowledge-unwatch-{folder}"):
            library.unwatch(name, folder)
            st.rerun()
    st.divider()
    sure = st.checkbox(f"Yes, delete {name!r}", key=f"knowledge-sure-{collection.id}")
    if st.button(
        "Delete the collection",
        key="knowledge-delete",
        icon=":material/delete:",
        disabled=not sure,
        help="Your files stay; what was made from them goes.",
    ):
        with st.spinner("Deleting …"):
            library.delete(name)
        st.query_params.clear()
        st.rerun()
