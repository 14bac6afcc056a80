"""Translation with opus-mt models through CTranslate2."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jackfield import Field, InvalidRequest, Plugin, Translator, hookimpl
from jackfield_plugins.child_process import leave_if_cancelled
from jackfield_plugins.translation.languages import name_of

if TYPE_CHECKING:
    import logging

    from jackfield.application import Application
    from jackfield_plugins.translation.conversion import Converted
    from jackfield_plugins.translation.interpreter import Interpreter
    from jackfield_plugins.translation.opus import OpusModel

NEEDED = ("ctranslate2", "sentencepiece")
AT_ONCE = 32
"""Sentences sent at once; between two such orders those of others have their turn."""
BELIEVED = 5.0
"""Seconds for which the models that were found are believed to be there still."""


class Marian(Plugin):
    """Translates with opus-mt models, on this computer, in a process of its own."""

    class Config(Plugin.Config):
        """Options of the engine."""

        folder: str = Field(
            "",
            title="Folder",
            description="A folder with opus-mt models, besides the models folder",
        )
        beam_size: int = Field(
            2,
            ge=1,
            le=8,
            title="Beam size",
            description="Translations followed at once: 1 is fastest, 4 a little better",
        )
        threads: int = Field(2, ge=1, le=64, description="Processor cores for one translation")
        idle_minutes: float = Field(
            10,
            gt=0,
            le=1440,
            title="Idle time",
            description="Minutes without a translation after which its memory is given back",
        )
        device: Literal["cpu", "cuda", "auto"] = Field(
            "cpu", description="Where to compute; cuda is an NVIDIA graphics card"
        )

    def __init__(self, config: Plugin.Config, context: Any) -> None:
        super().__init__(config, context)
        self._app: Application | None = None
        self.engine = MarianTranslator(
            lambda: self.config,
            self._found,
            context.data / "converted",
            context.log,
        )

    @hookimpl
    def jackfield_translators(self) -> list[Translator]:
        """One engine."""
        return [self.engine]

    @hookimpl
    def jackfield_started(self, app: Application) -> None:
        """Keep where models are found."""
        self._app = app

    @hookimpl
    def jackfield_stopped(self) -> None:
        """End the process that translates."""
        self.engine.stop()

    @hookimpl
    def jackfield_config_changed(self, before: Mapping[str, Any]) -> None:
        """Look for models anew, and load them with the new options."""
        self.engine.close()

    def _found(self) -> list[OpusModel]:
        """The models in the folder of the options, then those in the folders for models."""
        from jackfield_plugins.translation.opus import models_below

        roots = [self.config.folder] if self.config.folder else []
        if self._app is not None:
            roots += [self._app.paths.models, *self._app.settings.value.model_folders]
        return [model for root in roots for model in models_below(Path(root))]


class MarianTranslator(Translator):
    """opus-mt models through CTranslate2.

    Args:
        options: the plugin's options as they are now.
        find: looks for models.
        kept: where converted models are kept.
    """

    name = "marian"
    title = "opus-mt models (CTranslate2)"

    def __init__(
        self,
        options: Callable[[], Any],
        find: Callable[[], list[OpusModel]],
        kept: Path,
        log: logging.Logger,
    ) -> None:
        self._options = options
        self._find = find
        self._kept = kept
        self._log = log
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], OpusModel] = {}
        self._looked = -BELIEVED

    @cached_property
    def _converted(self) -> Converted:
        from jackfield_plugins.translation.conversion import Converted

        return Converted(self._kept, self._log)

    @cached_property
    def _interpreter(self) -> Interpreter:
        from jackfield_plugins.translation.interpreter import Interpreter

        return Interpreter(self._log)

    @property
    def process_id(self) -> int:
        """Of the process that translates; 0 while there is none."""
        return self._interpreter.process_id

    def missing(self) -> str:
        """The extra, if its libraries are not there."""
        lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        return "pip install 'jackfield[marian]'" if lacking else ""

    def pairs(self) -> Sequence[tuple[str, str]]:
        """Those of the models on this computer."""
        return () if self.missing() else list(self._models())

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translate sentences in batches."""
        from jackfield_plugins.translation import frames
        from jackfield_plugins.translation.opus import repository

        model = None if self.missing() else self._models().get((source, target))
        if model is None:
            raise InvalidRequest(
                f"There is no opus-mt model from {name_of(source)} to {name_of(target)} here.",
                hint=self.missing() or f"jackfield models pull {repository(source, target)}",
            )
        options = self._options()
        folder = model.folder if model.converted else self._converted.of(model.folder)
        done: list[str] = []
        for at in range(0, len(texts), AT_ONCE):
            leave_if_cancelled()
            order = frames.Order(
                model=str(folder),
                texts=list(texts[at : at + AT_ONCE]),
                prefix=model.prefix,
                beam=options.beam_size,
                threads=options.threads,
                device=options.device,
            )
            done += self._interpreter.ask(order, options.idle_minutes * 60)
        return done

    def stop(self) -> None:
        """End the process now; what is being translated fails."""
        if "_interpreter" in vars(self):
            self._interpreter.stop()

    def close(self) -> None:
        """End the process, and forget what was found."""
        if "_interpreter" in vars(self):
            self._interpreter.close()
        self._looked = -BELIEVED

    def _models(self) -> dict[tuple[str, str], OpusModel]:
        """The best model of each pair."""
        with self._lock:
            if time.monotonic() - self._looked >= BELIEVED:
                found: dict[tuple[str, str], OpusModel] = {}
                for model in sorted(self._find(), key=lambda one: bool(one.prefix)):
                    found.setdefault((model.source, model.target), model)
                self._known, self._looked = found, time.monotonic()
            return self._known
