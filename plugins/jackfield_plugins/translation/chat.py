"""What the Chat page shows: the languages beside the input, the original below a reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield import ChatView, JackfieldError
from jackfield_plugins.translation.conversation import words
from jackfield_plugins.translation.engines import Engines
from jackfield_plugins.translation.languages import AS_WRITTEN, NAMES, name_of


def draw_original(kept: Mapping[str, Any]) -> None:
    """The reply as the model wrote it."""
    import streamlit as st

    with st.container(border=True):
        st.caption(
            f"As the model wrote it, in {name_of(kept.get('source', ''))}; translated on this "
            "computer."
        )
        st.markdown(kept.get("original", ""))


def draw_languages(chat: ChatView, engines: Engines, config: Any) -> None:
    """A switch, the two languages, and who translates between them."""
    import streamlit as st

    on = bool(chat.options.get("on", config.on))
    user = chat.options.get("user") or config.user_language or AS_WRITTEN
    model = chat.options.get("model") or config.model_language
    label = f"{user} – {model}" if on else "Translate"
    popover = st.popover(
        label, icon=":material/translate:", type="tertiary", key="translation-popover"
    )
    with popover:
        st.toggle(
            "Translate this chat",
            value=on,
            key=(key := f"translation-on-{chat.id}"),
            on_change=lambda: chat.set(on=st.session_state[key]),
            help="What you write goes to the model in its language; its answer comes in yours.",
        )
        known = {user, model} - {AS_WRITTEN}
        codes = _codes(engines, known)
        _choice(chat, "user", "Your language", [AS_WRITTEN, *codes], user)
        _choice(chat, "model", "The model's language", codes, model)
        if on and len(known) == 2:
            _way(engines, user, model)
            _way(engines, model, user)


def _choice(chat: ChatView, name: str, label: str, codes: list[str], chosen: str) -> None:
    import streamlit as st

    key = f"translation-{name}-{chat.id}"
    st.selectbox(
        label,
        codes,
        index=codes.index(chosen),
        format_func=lambda code: "The one I write in" if code == AS_WRITTEN else name_of(code),
        key=key,
        on_change=lambda: chat.set(**{name: st.session_state[key]}),
    )


def _codes(engines: Engines, more: set[str]) -> list[str]:
    """Languages of the engines by name, all if there are none."""
    found = {code for step in engines.pairs() for code in (step.source, step.target)}
    return sorted((found or set(NAMES)) | more, key=name_of)


def _way(engines: Engines, source: str, target: str) -> None:
    """Who translates, or what is missing."""
    import streamlit as st

    names = f"{name_of(source)} to {name_of(target)}"
    try:
        engines.route(source, target)
    except JackfieldError as error:
        st.caption(f":material/warning: {error.message} {error.hint}")
    else:
        st.caption(f":material/check: {names}: {words(engines, source, target)}")
