"""Kokoro: 82 million parameters, natural voices in several languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jackfield import (
    Field,
    InvalidRequest,
    NotFound,
    Reach,
    RemoteFile,
    Sound,
    SpeechSynthesizer,
    Voice,
    hookimpl,
)
from jackfield_plugins.speech.engine import EnginePlugin, add_fetch, folders, ready, sample

if TYPE_CHECKING:
    import typer

RELEASE = "https://github.com/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0"
FILES = (
    RemoteFile(
        path="kokoro-v1.0.int8.onnx",
        url=f"{RELEASE}/kokoro-v1.0.int8.onnx",
        size=92_361_271,
        sha256="6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
    ),
    RemoteFile(
        path="voices-v1.0.bin",
        url=f"{RELEASE}/voices-v1.0.bin",
        size=28_214_398,
        sha256="bca610b8308e8d99f32e6fe4197e7ec01679264efed0cac9140fe9c29f1fbf7d",
    ),
)
LANGUAGES = {
    "a": "en-US",
    "b": "en-GB",
    "e": "es",
    "f": "fr-FR",
    "h": "hi",
    "i": "it",
    "p": "pt-BR",
}
"""By a voice's first letter. Japanese and Chinese need more than espeak's phonemes: left out."""

BEST = ("af_heart", "af_bella", "bf_emma", "ff_siwis")


class Kokoro(EnginePlugin):
    """Speaks with Kokoro: natural voices in seven languages, faster than real time on two cores."""

    engine = "kokoro"
    title = "Kokoro"
    module = "kokoro_onnx"
    reach = Reach(network="download", hosts=("github.com, when its files are fetched",))

    class Config(EnginePlugin.Config):
        """Options of Kokoro."""

        folder: str = Field(
            "", description="Folder with a .onnx model and a voices .bin; empty: its own"
        )

    @hookimpl
    def jackfield_speech_synthesizers(self) -> list[SpeechSynthesizer]:
        """One engine."""
        return [KokoroSynthesizer(self)]

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer) -> None:
        """``jackfield kokoro fetch``."""

        def find(name: str) -> tuple[str, tuple[RemoteFile, ...]]:
            if name != "model":
                raise NotFound(
                    f"Kokoro has nothing called {name!r}.", hint="jackfield kokoro fetch"
                )
            return "kokoro-v1.0", FILES

        add_fetch(
            cli,
            self,
            self.engine,
            default="model",
            about="the model and its voices, 121 MB",
            find=find,
            folder="voices",
        )

    def files(self) -> tuple[Path, Path] | None:
        """The model and the voices, None where they are not both there."""
        for folder in folders(self.config.folder, self.context.data / "voices"):
            models, voices = sorted(folder.glob("*.onnx")), sorted(folder.glob("voices*.bin"))
            if models and voices:
                return models[0], voices[0]
        return None


class KokoroSynthesizer(SpeechSynthesizer):
    """The engine."""

    name = "kokoro"
    title = "Kokoro"
    license = "Apache-2.0"

    def __init__(self, plugin: Kokoro) -> None:
        self._plugin = plugin

    def missing(self) -> str:
        """The package or the files."""
        if command := self._plugin.not_installed():
            return command
        return "" if self._plugin.files() else "jackfield kokoro fetch"

    def voices(self) -> Sequence[Voice]:
        """As the voices' file names them, the best first."""
        files = self._plugin.files()
        if self.missing() or files is None:
            return []
        import zipfile

        try:
            with zipfile.ZipFile(files[1]) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist()]
        except (OSError, zipfile.BadZipFile):
            return []
        known = [name for name in names if name[:1] in LANGUAGES and name[2:3] == "_"]
        ranks = {name: number for number, name in enumerate(BEST)}
        return [_voice(name) for name in sorted(known, key=lambda one: (ranks.get(one, 99), one))]

    def speak(self, text: str, voice: str, *, speed: float = 1.0) -> Sound:
        """Speak; speeds beyond 0.5 and 2 are taken as those."""
        ready(self.title, self.missing())
        files = self._plugin.files()
        chosen = next((one for one in self.voices() if one.name == voice), None)
        if chosen is None or files is None:
            raise InvalidRequest(f"Kokoro has no voice {voice!r}.", hint="jackfield voices")
        made = self._plugin.child.ask(
            text=text,
            voice=voice,
            speed=speed,
            language=chosen.language.lower(),
            model=str(files[0]),
            voices=str(files[1]),
            threads=self._plugin.config.threads,
        )
        return Sound(made["samples"], made["rate"])


def _voice(name: str) -> Voice:
    language = LANGUAGES[name[0]]
    title = f"{name[3:].capitalize()} ({'female' if name[1] == 'f' else 'male'})"
    return Voice(name=name, title=title, language=language, sample=sample(language))
