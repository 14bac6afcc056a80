"""Speech on the Chat page: reading aloud, and hands-free talk."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from jackfield import ChatView, JackfieldError
from jackfield_plugins.speech.hands_free import CSS, HTML, SCRIPT
from jackfield_plugins.speech.sentences import sentences
from jackfield_plugins.speech.sound_files import joined, wav

if TYPE_CHECKING:
    from jackfield.conversations import Node
    from jackfield_plugins.speech.plugin import Speech

HANDS_FREE = "speech.hands_free"
LISTENER = "speech.listener"
HANDLED = "speech.handled"
KEPT = 4  # replies of a tab whose sound is kept


def draw_controls(plugin: Speech, chat: ChatView) -> None:
    """What stands beside the input."""
    import streamlit as st

    on = plugin.reads(chat.options)
    plugins = chat.app.plugins
    speaks = any(not one.missing() for one in plugins.speech_synthesizers().values())
    listens = any(not one.missing() for one in plugins.speech_recognizers().values())

    def read_aloud() -> None:
        chat.set(read_aloud=not on)

    st.toggle(
        "Read aloud",
        value=on,
        key=f"speech.read_aloud.{chat.id}.{on}",  # another widget when it is changed elsewhere
        on_change=read_aloud,
        disabled=not (speaks or on),
        help="Speak each sentence of a reply as soon as it is written. Stop or Escape ends it."
        if speaks
        else "No voice is ready yet: the Speech page tells what to do.",
    )
    hands_free = st.toggle(
        "Hands-free",
        key=HANDS_FREE,
        persist_state="session",
        disabled=not listens,
        help="Talk instead of typing: what you say is sent when you pause. The microphone waits "
        "while a reply is written or spoken."
        if listens
        else "Nothing that understands speech is ready yet: the Speech page tells what to do.",
    )
    if hands_free and listens:
        _draw_listener(plugin, chat)


def _draw_listener(plugin: Speech, chat: ChatView) -> None:
    """Listen with the browser's microphone."""
    import streamlit as st

    def heard() -> None:
        recording = st.session_state[LISTENER].recording
        st.session_state[HANDLED] = st.session_state.get(HANDLED, 0) + 1
        if not recording:
            return
        try:
            text = plugin.transcribe(base64.b64decode(recording)).text
        except (JackfieldError, binascii.Error) as error:
            chat.say(f"Not understood: {error}")
            return
        if text:
            chat.set(read_aloud=True)
            chat.send(text)

    component = st.components.v2.component("jackfield_hands_free", html=HTML, css=CSS, js=SCRIPT)
    component(
        key=LISTENER,
        data={"running": chat.running, "handled": st.session_state.get(HANDLED, 0)},
        on_recording_change=heard,
        width="content",
        height="content",
    )


def draw_reading(plugin: Speech, chat: ChatView, node: Node) -> None:
    """A reply as sound, made once, in the chat's voice or else that of whoever gave it."""
    import streamlit as st

    kept: dict[tuple[str, str, str], bytes] = st.session_state.setdefault("speech.read", {})
    said_by = node.message.extras.get(plugin.context.name, {})
    voice = str(chat.options.get("voice") or said_by.get("voice") or "")
    key = (node.id, voice, node.message.text)
    found = sentences(node.message.text)
    if not found:
        st.info("There is nothing in this reply that could be spoken.")
        return
    if key not in kept:
        try:
            with st.spinner("Speaking the reply"):
                speaker = plugin.speaker(voice)
                sound = joined(speaker.speak(one, plugin.config.speed) for one in found)
        except JackfieldError as error:
            st.warning(f"{error.message}\n\n{error.hint}".strip(), icon=":material/volume_off:")
            return
        while len(kept) >= KEPT:
            del kept[next(iter(kept))]
        kept[key] = wav(sound)
    st.audio(kept[key], format="audio/wav", autoplay=True)
