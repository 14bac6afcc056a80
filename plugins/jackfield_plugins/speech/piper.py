"""Piper: small voices in some forty languages. Piper's program is under the GPL 3."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from jackfield import (
    Field,
    InvalidRequest,
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

VOICES = "https://huggingface.co/rhasspy/piper-voices/resolve/main"
NAME = re.compile(r"(?P<code>(?P<family>[a-z]{2,3})_[A-Z]{2,3})-(?P<voice>\w+)-(?P<quality>\w+)")
ENDS = (".onnx", ".onnx.json")
DEFAULT = "en_US-lessac-medium"
MANY = 100  # speakers of one file that are listed
KINDS = ("espeak", "text")  # of phonemes; others would fetch further programs while speaking


class Piper(EnginePlugin):
    """Speaks with Piper: small voices in many languages. Piper itself is under the GPL-3.0."""

    engine = "piper"
    title = "Piper"
    module = "piper"
    reach = Reach(network="download", hosts=("huggingface.co, when a voice is fetched",))

    class Config(EnginePlugin.Config):
        """Options of Piper."""

        folder: str = Field(
            "", description="Folder with voices (.onnx and .onnx.json); empty: its own"
        )

    @hookimpl
    def jackfield_speech_synthesizers(self) -> list[SpeechSynthesizer]:
        """One engine."""
        return [PiperSynthesizer(self)]

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer) -> None:
        """``jackfield piper fetch VOICE``."""
        add_fetch(
            cli,
            self,
            self.engine,
            default=DEFAULT,
            about="a voice of huggingface.co/rhasspy/piper-voices, for example fr_FR-siwis-medium",
            find=_remote,
            folder="voices",
        )


class Speaker(msgspec.Struct, frozen=True):
    """A speaker of a voice's file.

    Attributes:
        model: the ``.onnx`` file.
        name: its name in the file, "" for the only one.
    """

    voice: Voice
    model: Path
    name: str = ""


class PiperSynthesizer(SpeechSynthesizer):
    """The engine."""

    name = "piper"
    title = "Piper"
    license = "GPL-3.0; each voice has its own"

    def __init__(self, plugin: Piper) -> None:
        self._plugin = plugin

    def missing(self) -> str:
        """The package or a voice."""
        if command := self._plugin.not_installed():
            return command
        return "" if next(self._speakers(), None) else f"jackfield piper fetch {DEFAULT}"

    def voices(self) -> Sequence[Voice]:
        """By language."""
        if self._plugin.not_installed():
            return []
        found = [one.voice for one in self._speakers()]
        return sorted(found, key=lambda one: (not one.language.startswith("en"), one.name))

    def speak(self, text: str, voice: str, *, speed: float = 1.0) -> Sound:
        """Speak."""
        ready(self.title, self.missing())
        chosen = next((one for one in self._speakers() if one.voice.name == voice), None)
        if chosen is None:
            raise InvalidRequest(f"Piper has no voice {voice!r}.", hint="jackfield voices")
        made = self._plugin.child.ask(
            text=text,
            model=str(chosen.model),
            speaker=chosen.name,
            speed=speed,
            threads=self._plugin.config.threads,
        )
        return Sound(made["samples"], made["rate"])

    def _speakers(self) -> Iterator[Speaker]:
        plugin = self._plugin
        for folder in folders(plugin.config.folder, plugin.context.data / "voices"):
            for model in sorted(folder.glob("*.onnx")):
                yield from _speakers(model)


def _speakers(model: Path) -> Iterator[Speaker]:
    """The speakers of a voice's file; none where what describes it is missing or damaged."""
    try:
        about = json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))
        language = str(about["language"]["code"]).replace("_", "-")
        names = list(about.get("speaker_id_map") or {}) or [""]
        kind = about.get("phoneme_type", "espeak")
    except (OSError, ValueError, KeyError, TypeError):
        return
    if kind not in KINDS:
        return
    for name in names[:MANY]:
        match = NAME.fullmatch(model.stem)
        title = match["voice"].replace("_", " ").capitalize() if match else model.stem
        voice = Voice(
            name=f"{model.stem}#{name}" if name else model.stem,
            title=f"{title} {name}".strip(),
            language=language,
            sample=sample(language),
        )
        yield Speaker(voice, model, name)


def _remote(name: str) -> tuple[str, tuple[RemoteFile, ...]]:
    """Where a voice is kept."""
    match = NAME.fullmatch(name)
    if match is None:
        raise InvalidRequest(
            f"{name!r} is no name of a voice.",
            hint=f"Names are like {DEFAULT}: language_COUNTRY-voice-quality.",
        )
    place = f"{VOICES}/{match['family']}/{match['code']}/{match['voice']}/{match['quality']}"
    files = [RemoteFile(path=f"{name}{end}", url=f"{place}/{name}{end}") for end in ENDS]
    return name, tuple(files)
