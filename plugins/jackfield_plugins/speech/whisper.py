"""Whisper, by faster-whisper: understands some hundred languages, without a network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jackfield import (
    Field,
    InvalidRequest,
    NotFound,
    Reach,
    RemoteFile,
    SpeechRecognizer,
    SpokenSegment,
    SpokenWord,
    Transcript,
    hookimpl,
)
from jackfield_plugins.speech.engine import EnginePlugin, add_fetch, folders, ready

if TYPE_CHECKING:
    import typer

HUB = "https://huggingface.co/Systran"
SIZES = ("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en")
FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")
LANGUAGE = re.compile(r"[a-z]{2,3}")


class Whisper(EnginePlugin):
    """Understands speech with Whisper, and finds where in a recording somebody speaks."""

    engine = "whisper"
    title = "Whisper"
    module = "faster_whisper"
    reach = Reach(network="download", hosts=("huggingface.co, when a model is fetched",))

    class Config(EnginePlugin.Config):
        """Options of Whisper."""

        folder: str = Field(
            "", description="Folder with models in CTranslate2's format; empty: its own"
        )

    @hookimpl
    def jackfield_speech_recognizers(self) -> list[SpeechRecognizer]:
        """One engine."""
        return [WhisperRecognizer(self)]

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer) -> None:
        """``jackfield whisper fetch SIZE``."""
        add_fetch(
            cli,
            self,
            self.engine,
            default="base",
            about=f"a model: {', '.join(SIZES)}; .en is for English alone",
            find=_remote,
            folder="models",
        )

    def models(self) -> dict[str, Path]:
        """Folders of models by name, the largest first."""
        found = {
            folder.name: folder
            for folder in folders(self.config.folder, self.context.data / "models")
            if all((folder / name).is_file() for name in FILES[:3])
        }
        sizes = {name: (folder / "model.bin").stat().st_size for name, folder in found.items()}
        return {name: found[name] for name in sorted(found, key=lambda one: (-sizes[one], one))}


class WhisperRecognizer(SpeechRecognizer):
    """The engine."""

    name = "whisper"
    title = "Whisper"

    def __init__(self, plugin: Whisper) -> None:
        self._plugin = plugin

    def missing(self) -> str:
        """The package or a model."""
        if command := self._plugin.not_installed():
            return command
        return "" if self._plugin.models() else "jackfield whisper fetch base"

    def models(self) -> Sequence[str]:
        """The largest first."""
        return [] if self._plugin.not_installed() else list(self._plugin.models())

    def transcribe(
        self,
        audio: bytes,
        *,
        model: str = "",
        language: str = "",
        prompt: str = "",
        temperature: float = 0.0,
        words: bool = False,
        translate: bool = False,
    ) -> Transcript:
        """What is said in a recording."""
        ready(self.title, self.missing())
        models = self._plugin.models()
        name = model or next(iter(models))
        if name not in models:
            raise InvalidRequest(
                f"Whisper has no model {name!r}.",
                hint=f"It has: {', '.join(models)}.",
                param="model",
            )
        if language and not LANGUAGE.fullmatch(language):
            raise InvalidRequest(
                f"{language!r} is no code of a language.",
                hint="Use two letters as in ISO 639-1, for example en.",
                param="language",
            )
        heard = self._plugin.child.ask(
            audio=audio,
            model=str(models[name]),
            language=language,
            prompt=prompt,
            temperature=temperature,
            words=words,
            translate=translate,
            threads=self._plugin.config.threads,
        )
        segments = tuple(_segment(one) for one in heard["segments"])
        return Transcript(heard["text"], heard["language"], heard["seconds"], segments)


def _segment(heard: Mapping[str, Any]) -> SpokenSegment:
    words = tuple(SpokenWord(*word) for word in heard["words"])
    return SpokenSegment(heard["text"], heard["start"], heard["end"], words)


def _remote(name: str) -> tuple[str, tuple[RemoteFile, ...]]:
    """Where a model is kept."""
    if name not in SIZES:
        raise NotFound(f"There is no model {name!r}.", hint=f"There are: {', '.join(SIZES)}.")
    place = f"{HUB}/faster-whisper-{name}/resolve/main"
    return name, tuple(RemoteFile(path=file, url=f"{place}/{file}") for file in FILES)
