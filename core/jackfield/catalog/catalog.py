"""The models on this computer."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import msgspec

from jackfield.catalog.adapters import AdapterFolder, adapters_in
from jackfield.catalog.folder import files_of, format_of, repository_of
from jackfield.catalog.model import SIDECAR, CatalogModel, clean, describe, parts_of
from jackfield.catalog.source import Offer
from jackfield.errors import JackfieldError, ModelFileError, ModelNotFound, NotPermitted
from jackfield.loader import ModelFiles
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.settings import ModelSettings
from jackfield.settings_store import SettingsStore

RECENT = 2.0
"""Seconds for which a model that was found is believed to be there still."""

Stamp = tuple[int, ...]
"""Sizes and times of a model's files and of the note beside them."""


class Catalog:
    """Scans the models folder and the folders of the settings for files that loaders open.

    What was read of a file is kept until its size or time changes.
    """

    def __init__(self, paths: Paths, settings: SettingsStore, plugins: PluginManager) -> None:
        self._paths = paths
        self._settings = settings
        self._plugins = plugins
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[Stamp, CatalogModel | None]] = {}
        self._last: list[CatalogModel] = []
        self._scanned = -RECENT

    def writers(self) -> list[str]:
        """Names of the models that write text and are not broken."""
        return [model.name for model in self.scan() if model.writes and not model.error]

    def scan(self) -> list[CatalogModel]:
        """All models, broken ones with their error, by name."""
        with self._lock:
            known = {}
            for path in self._files():
                try:
                    stamp = _stamp(path)
                    kept = self._known.get(path)
                    same = kept is not None and kept[0] == stamp
                    known[path] = kept if kept and same else (stamp, describe(path))
                except OSError:  # it went away under our eyes
                    continue
            self._known = known
            found = [model for _, model in known.values() if model is not None]
            models = _unique([*found, *self._listed()])
            self._last = sorted([*models, *self._variants(models)], key=lambda one: one.name)
            self._scanned = time.monotonic()
            return list(self._last)

    def find(self, name: str) -> CatalogModel:
        """A model by its name, its alias or its file's name, in any case.

        Raises:
            ModelNotFound: there is none; ``details['nearest']`` is the most similar name.
        """
        if time.monotonic() - self._scanned < RECENT:
            recent = self._words(self._last).get(name.lower())
            if recent is not None and (not recent.path.is_absolute() or recent.path.exists()):
                return recent
        models = self.scan()
        by_name = self._words(models)
        if name.lower() in by_name:
            return by_name[name.lower()]
        near = next(iter(get_close_matches(name.lower(), by_name, n=1, cutoff=0.4)), None)
        nearest = by_name[near].name if near else None
        if not models:
            hint = "No model is here yet. Fetch a small one: jackfield models pull smollm2"
        elif nearest:
            hint = f"Did you mean {nearest!r}? All models: jackfield models list"
        else:
            hint = "All models: jackfield models list"
        raise ModelNotFound(f"There is no model {name!r}.", hint=hint, name=name, nearest=nearest)

    def adapters(self) -> list[AdapterFolder]:
        """LoRA adapters in the folder for adapters and in the models' folders, by name."""
        return adapters_in([self._paths.adapters, *self._folders()])

    def recommend(self, name: str, offer: Offer) -> None:
        """Make what a source recommends a model's settings, unless the user has set some."""
        if name not in self._settings.value.models and (offer.template or offer.sampling):
            advice = {"template": offer.template, "sampling": offer.sampling}
            self._settings.update(
                [(("models", name, key), value) for key, value in advice.items() if value]
            )

    def identify(self, path: Path) -> ModelFiles:
        """What one file is, wherever it lies.

        Raises:
            ModelFileError: it is missing, broken, or part of another.
        """
        if not path.exists():
            raise ModelFileError(f"There is no file {str(path)!r}.")
        model = describe(path.resolve())
        if model is None:
            raise ModelFileError(
                f"{str(path)!r} is not a model of its own.",
                hint="Give the first part of a split model; a projector belongs to a model.",
            )
        if model.error:
            raise ModelFileError(model.error)
        return model.files

    def remove(self, name: str) -> None:
        """Delete a model's files and the note beside them, and its folder if that is empty then.

        Raises:
            ModelNotFound: there is none of that name.
            NotPermitted: it lies outside the models folder, or behind a link that leads out of it.
        """
        model = self.find(name)
        if model.variant_of:
            self._settings.unset(("models", model.name))
            self.scan()
            return
        if not model.path.is_absolute():
            raise NotPermitted(f"The model {model.name!r} is not on this computer.")
        inside, folder = self._paths.models.resolve(), model.path.parent.resolve()
        if not folder.is_relative_to(inside):
            raise NotPermitted(
                f"The model {model.name!r} lies in {str(folder)!r}, outside the models folder "
                f"{str(inside)!r}.",
                hint="Remove the file yourself, or take its folder out of the settings.",
            )
        try:
            if model.path.is_dir():
                shutil.rmtree(model.path)
            for part in parts_of(model.path):
                part.unlink(missing_ok=True)
            if folder != inside and {one.name for one in folder.iterdir()} <= {SIDECAR}:
                shutil.rmtree(folder)
        except OSError as error:
            raise JackfieldError(
                f"The model {model.name!r} could not be removed: {error.strerror or error}.",
                hint=f"Look at {str(error.filename or folder)!r}.",
            ) from error
        self.scan()

    def _listed(self) -> Iterator[CatalogModel]:
        """Models that loaders know of without files here; their paths are relative."""
        for loader in self._plugins.loaders().values():
            try:
                listed = list(loader.listed())
            except Exception:  # a loader is a plugin's own code
                logging.getLogger(__name__).exception("Loader %r cannot list", loader.name)
                continue
            for one in listed:
                yield CatalogModel(
                    name=one.name,
                    files=one.files,
                    architecture=one.architecture,
                    context_length=one.context_length,
                    license=one.license,
                    source=loader.name,
                    error=one.error,
                )

    def _variants(self, models: Sequence[CatalogModel]) -> Iterator[CatalogModel]:
        """Entries of their own over other models' files, as the settings name them."""
        by_name = {model.name: model for model in models}
        for name, kept in self._settings.value.models.items():
            base = by_name.get(kept.variant_of)
            if base is not None and name not in by_name:
                yield msgspec.structs.replace(base, name=name, variant_of=base.name)

    def _words(self, models: Sequence[CatalogModel]) -> dict[str, CatalogModel]:
        """What models can be asked for by: names first, then aliases, then files."""
        kept = self._settings.value.models
        words: dict[str, CatalogModel] = {}
        for ask in (
            lambda model: model.name,
            lambda model: kept.get(model.name, ModelSettings()).alias,
            lambda model: model.path.name,
            lambda model: model.path.stem,
            lambda model: repository_of(model.path),
        ):
            for model in models:
                words.setdefault(ask(model).lower(), model)
        words.pop("", None)
        return words

    def _folders(self) -> list[Path]:
        """Where models are looked for; our own folder first."""
        return [self._paths.models, *map(Path, self._settings.value.model_folders)]

    def _files(self) -> Iterator[Path]:
        """Files and folders of the formats that enabled loaders name; our own folder's first."""
        loaders = self._plugins.loaders().values()
        endings = {end for one in loaders for end in one.extensions}
        formats = {form for one in loaders for form in one.folders}
        seen: set[str] = set()
        for root in self._folders():
            for folder, inner, names in os.walk(root.expanduser(), followlinks=True):
                real = os.path.realpath(folder)
                if real in seen:
                    inner.clear()  # a loop of links, or a folder named twice
                    continue
                seen.add(real)
                inner[:] = sorted(one for one in inner if not one.startswith("."))
                if form := format_of(Path(folder), names):
                    inner.clear()  # what is below belongs to the model
                    if form in formats:
                        yield Path(folder)
                for name in sorted(names):
                    path = Path(folder, name)
                    if path.suffix.removeprefix(".").lower() in endings and path.is_file():
                        yield path


def _stamp(path: Path) -> Stamp:
    stamp: list[int] = []
    parts = files_of(path) if path.is_dir() else parts_of(path)
    for file in (*parts, path.parent / SIDECAR):
        try:
            status = file.stat()
        except FileNotFoundError:
            stamp.append(0)
        else:
            stamp += [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    return tuple(stamp)


def _unique(models: list[CatalogModel]) -> list[CatalogModel]:
    """Give later models of one name their folder's name as well, then a number."""
    taken: set[str] = set()
    unique = []
    for model in models:
        name = model.name
        if name in taken:
            name = f"{model.name}-{clean(model.path.parent.name) or 'other'}"
        number, base = 2, name
        while name in taken:
            name = f"{base}-{number}"
            number += 1
        taken.add(name)
        unique.append(msgspec.structs.replace(model, name=name))
    return unique
