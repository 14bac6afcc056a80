"""What was said into the microphone of the Chat page's input, as text."""

from __future__ import annotations

from jackfield.application import Application
from jackfield.errors import InvalidRequest, JackfieldError
from jackfield.speech import SpeechRecognizer


def can_listen(app: Application) -> bool:
    """Whether an engine that understands speech is ready."""
    return any(not one.missing() for one in app.plugins.speech_recognizers().values())


def heard(app: Application, recording: bytes) -> str:
    """What is said in a recording.

    Raises:
        InvalidRequest: nothing is said in it, or it is none.
        JackfieldError: nothing that understands speech is ready.
    """
    parts = (part.understands for _, part in app.plugins.composer())
    understands = next((one for one in parts if one is not None), None)
    text = understands(recording) if understands else _engine(app).transcribe(recording).text
    if not text.strip():
        raise InvalidRequest(
            "Nothing was understood.", hint="Speak closer to the microphone, or type instead."
        )
    return text.strip()


def _engine(app: Application) -> SpeechRecognizer:
    """The first engine that is ready."""
    engines = app.plugins.speech_recognizers().values()
    ready = next((one for one in engines if not one.missing()), None)
    if ready is None:
        todo = "; ".join(one.missing() for one in engines)
        raise JackfieldError(
            "No engine that understands speech is ready.",
            hint=f"Do: {todo}" if todo else "Enable one on the Plugins page, for example whisper.",
        )
    return ready
