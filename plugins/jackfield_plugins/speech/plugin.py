"""The user's side of speech: reading aloud, the microphone, the API, the commands and a page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from jackfield import (
    ChatAction,
    ComposerPart,
    Event,
    Field,
    Page,
    Plugin,
    Routes,
    Transcript,
    hookimpl,
)
from jackfield_plugins.speech.choice import Speaker, listener, speaker

if TYPE_CHECKING:
    import typer

    from jackfield.application import Application
    from jackfield.pipeline import Turn


class Speech(Plugin):
    """Reads replies aloud as they are written, and types what you say into the microphone."""

    class Config(Plugin.Config):
        """Options of speech."""

        read_aloud: bool = Field(
            False, description="Read replies aloud in the dashboard, where a chat says nothing else"
        )
        voice: str = Field(
            "",
            description="The usual voice, engine/voice as the Speech page lists them; empty: the "
            "first that is ready",
        )
        speed: float = Field(1.0, ge=0.25, le=4.0, description="Speed; 1 is the voice's own")
        recognizer: str = Field(
            "",
            description="What listens, engine/model, for example whisper/base; empty: the first "
            "that is ready",
        )
        language: str = Field(
            "",
            description="Language that you speak, two letters such as en; empty: found out by "
            "listening. The usual voice is one of this language",
        )

        @field_validator("language")
        @classmethod
        def _code(cls, value: str) -> str:
            if value and not (value.isalpha() and value.islower() and len(value) in (2, 3)):
                raise ValueError(f"{value!r} is no code of a language; write for example en or fr")
            return value

    app: Application

    @hookimpl
    def jackfield_started(self, app: Application) -> None:
        """Remember where the engines are."""
        self.app = app

    @hookimpl(trylast=True)
    def jackfield_filter_stream(
        self, events: AsyncIterator[Event], turn: Turn
    ) -> AsyncIterator[Event] | None:
        """Read the reply aloud if the chat or the request wants it, as the user gets to see it."""
        options = turn.options.get(self.context.name, {})
        wanted = str(options.get("voice") or "")
        if wanted:  # a character's, for example
            turn.extras[self.context.name] = {"voice": wanted}
        usual = self.config.read_aloud and turn.origin == "dashboard"
        if not options.get("read_aloud", usual):
            return None
        from jackfield_plugins.speech.reading import Reading  # asyncio is slow to import

        rows = turn.accounts.setdefault(self.context.name, [])
        speed = _speed(options.get("speed"), self.config.speed)
        return Reading(lambda: self.speaker(wanted), speed, rows.append).events(events)

    @hookimpl
    def jackfield_composer(self) -> list[ComposerPart]:
        """Reading aloud and hands-free talk."""
        from jackfield_plugins.speech import chat

        return [
            ComposerPart(
                name="speech",
                draw=lambda view: chat.draw_controls(self, view),
                understands=lambda recording: self.transcribe(recording).text,
            )
        ]

    @hookimpl
    def jackfield_chat_actions(self) -> list[ChatAction]:
        """A reply read aloud."""
        from jackfield_plugins.speech import chat

        return [
            ChatAction(
                label="Read aloud",
                icon=":material/volume_up:",
                applies=lambda node: node.message.role == "assistant" and bool(node.message.text),
                draw=lambda view, node: chat.draw_reading(self, view, node),
            )
        ]

    @hookimpl
    def jackfield_pages(self) -> list[Page]:
        """Engines, voices, and a place to try them."""

        def draw(app: Application) -> None:
            from jackfield_plugins.speech import page

            page.draw(self)

        return [
            Page(title="Speech", url_path="speech", icon=":material/record_voice_over:", draw=draw)
        ]

    @hookimpl
    def jackfield_routes(self) -> Routes:
        """OpenAI's routes of speech, at ``/v1/audio``."""
        from jackfield_plugins.speech import routes

        return Routes(router=routes.router(self), paths=("/v1/audio",))

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer, app: Application) -> None:
        """``jackfield speak``, ``transcribe`` and ``voices``."""
        from jackfield_plugins.speech import commands

        self.app = app
        commands.add(cli, self)

    def speaker(self, wanted: str, engine: str = "") -> Speaker:
        """A voice by name, the user's usual one for "".

        Raises:
            JackfieldError: there is none, or it is not ready.
        """
        usual = "" if engine else self.config.voice
        return speaker(self.app, wanted or usual, engine=engine, language=self.config.language)

    def transcribe(self, audio: bytes, *, model: str = "", **options: Any) -> Transcript:
        """What is said in a recording; options are those of SpeechRecognizer.transcribe.

        Raises:
            JackfieldError: it is none, or nothing that listens is ready.
        """
        engine, name = listener(self.app, model or self.config.recognizer)
        options["language"] = options.get("language") or self.config.language
        return engine.transcribe(audio, model=name, **options)

    def reads(self, options: Mapping[str, Any]) -> bool:
        """Whether a chat with these options is read aloud."""
        return bool(options.get("read_aloud", self.config.read_aloud))


def _speed(wanted: Any, usual: float) -> float:
    """The speed that a chat or request wants, within what engines take."""
    speed = float(wanted) if isinstance(wanted, int | float) else usual
    return min(max(speed, 0.25), 4.0)
