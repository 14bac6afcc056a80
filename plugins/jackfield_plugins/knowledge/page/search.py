"""Trying a question, with the scores of each way of searching."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jackfield import JackfieldError
from jackfield_plugins.knowledge.records import MODES, Asked, Filters, Hit

if TYPE_CHECKING:
    from jackfield_plugins.knowledge import Knowledge
    from jackfield_plugins.knowledge.library import Library

MODE_NAMES = {
    "fused": "Both, fused",
    "vectors": "By meaning (vectors)",
    "bm25": "By words (BM25)",
}


def draw(knowledge: Knowledge, library: Library, name: str) -> None:
    """Draw the section."""
    import streamlit as st

    with st.form("knowledge-search"):
        query = st.text_input("Question", key="knowledge-query")
        left, middle, right = st.columns(3)
        mode = left.selectbox(
            "How to search",
            sorted(MODES, key=lambda one: one != knowledge.config.mode),
            format_func=MODE_NAMES.__getitem__,
            key="knowledge-mode",
        )
        reranker = middle.selectbox(
            "Reranking model",
            ["", *library.app.embedding.able("rerank")],
            format_func=lambda one: one or "none",
            key="knowledge-reranker",
            help="It reads the question together with each passage found, and sorts them.",
        )
        k = right.slider("Passages", 1, 30, value=knowledge.config.k, key="knowledge-k")
        with st.expander("Filters", type="compact"):
            source = st.text_input(
                "Only sources like", key="knowledge-filter-source", placeholder="*.pdf"
            )
            title = st.text_input("Only titles with", key="knowledge-filter-title")
        sent = st.form_submit_button(
            "Search", type="primary", key="knowledge-search-send", icon=":material/search:"
        )
    if not sent:
        return
    asked = Asked(
        query=query,
        mode=mode,
        k=k,
        reranker=reranker,
        minimum=knowledge.config.minimum,
        filters=Filters(source=source, title=title),
    )
    begun = time.perf_counter()
    try:
        found = library.search([name], asked)
    except JackfieldError as error:
        st.error(f"{error.message}\n\n{error.hint}".strip(), icon=":material/error:")
        return
    seconds = time.perf_counter() - begun
    left_out = f"; {found.below} were less alike than {asked.minimum:g}" if found.below else ""
    if not found.hits:
        st.info(f"Nothing was found{left_out}.", icon=":material/search_off:")
        return
    passages = "1 passage" if len(found.hits) == 1 else f"{len(found.hits)} passages"
    st.caption(f"{passages} in {1000 * seconds:.0f} ms{left_out}.")
    for rank, hit in enumerate(found.hits, start=1):
        _draw_hit(rank, hit)


def _draw_hit(rank: int, hit: Hit) -> None:
    import streamlit as st

    with st.container(border=True):
        st.markdown(f"**[{rank}]** [{_plain(hit.label)}]({hit.uri})")
        scores = {
            "cosine": hit.cosine,
            "BM25": hit.bm25,
            "fused": hit.fused,
            "reranker": hit.rerank,
        }
        told = " · ".join(
            f"{word} {score:.3f}" for word, score in scores.items() if score is not None
        )
        st.caption(f"{told} · {hit.chunk.tokens} tokens")
        st.code(hit.chunk.text, language=None, wrap_lines=True)


def _plain(text: str) -> str:
    """A text that Markdown shows as it is."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]()#+!|<>~$:" else one for one in text)
