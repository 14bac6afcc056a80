"""The Speech page: what speaks and listens, and a place to try both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import JackfieldError, SpeechSynthesizer
from jackfield_plugins.speech.choice import Speaker, speakers, synthesizers
from jackfield_plugins.speech.sound_files import wav

if TYPE_CHECKING:
    from jackfield_plugins.speech.plugin import Speech

SAMPLE = "This is how I sound."
HEARD = "speech.page.heard"  # a recording and what is said in it


def draw(plugin: Speech) -> None:
    """Draw the page."""
    import streamlit as st

    st.title("Speech")
    st.caption("Everything is spoken and understood on this computer.")
    st.subheader("Voices", anchor=False)
    everyone = list(speakers(plugin.app))
    if everyone:
        _draw_voices(plugin, everyone)
    else:
        st.info(
            "No engine that speaks is ready yet. Install one of those below.",
            icon=":material/volume_off:",
        )
    st.subheader("Try the microphone", anchor=False)
    _draw_microphone(plugin)
    st.subheader("Engines", anchor=False)
    _draw_engines(plugin)


def _draw_voices(plugin: Speech, everyone: list[Speaker]) -> None:
    """Choose a voice and hear it."""
    import streamlit as st

    by_name = {one.name: one for one in everyone}
    languages = sorted({one.voice.language.split("-")[0] for one in everyone})
    usual = _usual(plugin, everyone)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        spoken = usual.voice.language.split("-")[0]
        language = st.selectbox(
            "Language", languages, index=languages.index(spoken), key="speech.page.language"
        )
        names = [name for name, one in by_name.items() if _speaks(one, language)]
        voice = st.selectbox(
            "Voice",
            names,
            index=names.index(usual.name) if usual.name in names else 0,
            format_func=lambda name: f"{by_name[name].engine.title}: {by_name[name].voice.title}",
            key=f"speech.page.voice.{language}",
        )
    chosen = by_name[voice]
    text = st.text_area(
        "Text", value=chosen.voice.sample or SAMPLE, key=f"speech.page.text.{language}", height=80
    )
    pressed = st.button(
        "Speak", icon=":material/play_arrow:", type="primary", key="speech.page.speak"
    )
    st.caption(f"As the usual voice, this is `{voice}` in the options of the plugin speech.")
    if pressed:
        _draw_spoken(plugin, chosen, text)


def _draw_spoken(plugin: Speech, chosen: Speaker, text: str) -> None:
    import streamlit as st

    try:
        with st.spinner("Speaking"):
            sound = chosen.speak(text.strip() or SAMPLE, plugin.config.speed)
    except JackfieldError as error:
        st.error(f"{error.message}\n\n{error.hint}".strip(), icon=":material/error:")
        return
    if not sound.samples:
        st.info("There is nothing in this text that could be spoken.")
        return
    st.audio(wav(sound), format="audio/wav", autoplay=True)


def _draw_microphone(plugin: Speech) -> None:
    """Record something and read it."""
    import streamlit as st

    if not any(not one.missing() for one in plugin.app.plugins.speech_recognizers().values()):
        st.info(
            "No engine that understands speech is ready yet. Install one of those below.",
            icon=":material/mic_off:",
        )
        return
    recording = st.audio_input("Say something", key="speech.page.recording")
    if recording is None:
        return
    name, found = st.session_state.get(HEARD, ("", None))
    if name != recording.file_id:
        try:
            with st.spinner("Writing down what you said"):
                found = plugin.transcribe(recording.getvalue())
        except JackfieldError as error:
            st.error(f"{error.message}\n\n{error.hint}".strip(), icon=":material/error:")
            return
        st.session_state[HEARD] = (recording.file_id, found)
    if found.text:
        st.text(found.text)
        st.caption(f"Language: {found.language}, {found.seconds:.1f} seconds")
    else:
        st.info("Nobody speaks in this recording.")


def _draw_engines(plugin: Speech) -> None:
    """What is there, and what is missing."""
    import streamlit as st

    app = plugin.app
    rows = [
        ("speaks", one.title, _state(one.missing(), _number(one)), one.license)
        for one in synthesizers(app).values()
    ]
    rows += [
        ("understands", one.title, _state(one.missing(), ", ".join(one.models())), "")
        for one in app.plugins.speech_recognizers().values()
    ]
    if not rows:
        st.info("No engine is enabled: switch one on, on the Plugins page.")
        return
    head = ("", "Engine", "Ready, or what to do first", "Licence")
    lines = [head, ("---",) * len(head), *rows]
    st.markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _state(missing: str, has: str) -> str:
    """What an engine has, or the command that it waits for."""
    return f":material/download: `{missing}`" if missing else f":material/check: {has}"


def _usual(plugin: Speech, everyone: list[Speaker]) -> Speaker:
    """The user's usual voice, or the first if that is not there."""
    try:
        return plugin.speaker("")
    except JackfieldError:
        return everyone[0]


def _speaks(one: Speaker, language: str) -> bool:
    return one.voice.language.split("-")[0] == language


def _number(one: SpeechSynthesizer) -> str:
    count = len(one.voices())
    return f"{count} voice{'' if count == 1 else 's'}"
