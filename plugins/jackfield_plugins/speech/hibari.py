"""Hibari: one small English voice that comes with its package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jackfield import (
    InvalidRequest,
    NotFound,
    Reach,
    RemoteFile,
    Sound,
    SpeechSynthesizer,
    Voice,
    hookimpl,
)
from jackfield_plugins.speech.engine import EnginePlugin, add_fetch, ready, sample

if TYPE_CHECKING:
    import typer

VOICES = "https://huggingface.co/maureesewilliams/hibari/resolve/main/voices"


class Hibari(EnginePlugin):
    """Speaks English with Hibari: 14 MB in all, a hundred times faster than real time."""

    engine = "hibari"
    title = "Hibari"
    module = "hibari"
    reach = Reach(network="download", hosts=("huggingface.co, when a further voice is fetched",))

    @hookimpl
    def jackfield_speech_synthesizers(self) -> list[SpeechSynthesizer]:
        """One engine."""
        return [HibariSynthesizer(self)]

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer) -> None:
        """``jackfield hibari fetch VOICE``."""

        def find(name: str) -> tuple[str, tuple[RemoteFile, ...]]:
            ready(self.title, self.not_installed())
            one = self.known().get(name)
            if one is None or one.get("bundled"):
                names = [key for key, value in self.known().items() if not value.get("bundled")]
                raise NotFound(
                    f"Hibari has no voice {name!r} to fetch.",
                    hint=f"There are: {', '.join(names)}.",
                )
            file = RemoteFile(
                path=one["file"],
                url=f"{VOICES}/{one['file']}",
                size=one["bytes"],
                sha256=one["sha256"],
            )
            return name, (file,)

        add_fetch(
            cli,
            self,
            self.engine,
            default="emma",
            about="a further voice, 8 MB, for example emma",
            find=find,
            folder="voices",
        )

    def known(self) -> dict[str, dict[str, Any]]:
        """All voices that the installed package knows of, by name."""
        spec = find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            return {}
        listed = Path(spec.submodule_search_locations[0]) / "assets" / "voices.json"
        voices: dict[str, dict[str, Any]] = json.loads(listed.read_text(encoding="utf-8"))
        return {name: {**one, "assets": listed.parent} for name, one in voices.items()}

    def model(self, name: str) -> Path | None:
        """A voice's file, None where it is not there."""
        one = self.known().get(name)
        if one is None:
            return None
        folder = one["assets"] if one.get("bundled") else self.context.data / "voices" / name
        path: Path = folder / one["file"]
        return path if path.is_file() else None


class HibariSynthesizer(SpeechSynthesizer):
    """The engine."""

    name = "hibari"
    title = "Hibari"
    license = "Apache-2.0"

    def __init__(self, plugin: Hibari) -> None:
        self._plugin = plugin

    def missing(self) -> str:
        """The package."""
        return self._plugin.not_installed()

    def voices(self) -> Sequence[Voice]:
        """Those whose files are there."""
        return [
            Voice(
                name=name,
                title=f"{name.capitalize()} ({one['gender']})",
                language=one["language"],
                sample=sample(one["language"]),
            )
            for name, one in self._plugin.known().items()
            if self._plugin.model(name) is not None
        ]

    def speak(self, text: str, voice: str, *, speed: float = 1.0) -> Sound:
        """Speak; speeds beyond 0.5 and 2 are taken as those."""
        ready(self.title, self.missing())
        model = self._plugin.model(voice)
        if model is None:
            raise InvalidRequest(f"Hibari has no voice {voice!r}.", hint="jackfield voices")
        made = self._plugin.child.ask(
            text=text,
            voice=voice,
            speed=speed,
            model=str(model),
            threads=self._plugin.config.threads,
        )
        return Sound(made["samples"], made["rate"])
