"""Which collections a chat uses, beside its input box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import ChatView, JackfieldError

if TYPE_CHECKING:
    from jackfield_plugins.knowledge import Knowledge


def draw(knowledge: Knowledge, chat: ChatView) -> None:
    """A small popover: the collections, and how many passages."""
    import streamlit as st

    key = f"{knowledge.context.name}-composer-{chat.id or 'new'}"
    chosen = list(chat.options.get("collections", knowledge.config.default_collections))
    label = f"Knowledge ({len(chosen)})" if chosen else "Knowledge"
    with st.popover(label, icon=":material/library_books:", type="tertiary", key=f"{key}-open"):
        try:
            names = [one.name for one in knowledge.library().catalogue.collections()]
        except JackfieldError as error:
            st.error(f"{error.message}\n\n{error.hint}")
            return
        if not names:
            st.caption("There is no collection yet. Make one on the page Knowledge.")
            return

        def keep_collections() -> None:
            chat.set(collections=list(st.session_state[f"{key}-collections"]))

        def keep_k() -> None:
            chat.set(k=int(st.session_state[f"{key}-k"]))

        st.multiselect(
            "Collections",
            names,
            default=[one for one in chosen if one in names],
            key=f"{key}-collections",
            on_change=keep_collections,
            placeholder="None",
            help="The answer is looked up in these.",
        )
        st.slider(
            "Passages",
            1,
            20,
            value=min(20, int(chat.options.get("k") or knowledge.config.k)),
            key=f"{key}-k",
            on_change=keep_k,
            help="How many passages the model reads at most.",
        )
