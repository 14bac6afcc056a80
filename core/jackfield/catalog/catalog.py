"""The models on this computer."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import msgspec

from jackfield.catalog.model import SIDECAR, CatalogModel, describe
from jackfield.errors import ModelFileError, ModelNotFound, NotPermitted
from jackfield.loader import ModelFiles
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.settings import ModelSettings
from jackfield.settings_store import SettingsStore


class Catalog:
    """Scans the models folder and the folders of the settings for files that loaders open.

    What was read of a file is kept until its size or time changes.
    """

    def __init__(self, paths: Paths, settings: SettingsStore, plugins: PluginManager) -> None:
        self._paths = paths
        self._settings = settings
        self._plugins = plugins
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int, int, int], CatalogModel | None] = {}

    def scan(self) -> list[CatalogModel]:
        """All models, broken ones with their error, by name."""
        with self._lock:
            known = {}
            for path in sorted(self._files()):
                stamp = _stamp(path)
                known[stamp] = self._known[stamp] if stamp in self._known else describe(path)
            self._known = known
        found = [model for model in known.values() if model is not None]
        return sorted(_unique(found), key=lambda model: model.name)

    def find(self, name: str) -> CatalogModel:
        """A model by its name, its alias or its file's name, in any case.

        Raises:
            ModelNotFound: there is none; ``details['nearest']`` is the most similar name.
        """
        models = self.scan()
        by_name: dict[str, CatalogModel] = {}
        for model in models:
            alias = self._settings.value.models.get(model.name, ModelSettings()).alias
            for word in (model.name, alias, model.path.name, model.path.stem):
                by_name.setdefault(word.lower(), model)
        by_name.pop("", None)
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

    def identify(self, path: Path) -> ModelFiles:
        """What one file is, wherever it lies.

        Raises:
            ModelFileError: it is broken or part of another.
        """
        model = describe(path.resolve()) if path.exists() else None
        if model is None:
            raise ModelFileError(f"{str(path)!r} is not a model.")
        if model.error:
            raise ModelFileError(model.error)
        return model.files

    def remove(self, name: str) -> None:
        """Delete a model's files; only in the models folder.

        Raises:
            ModelNotFound: there is none of that name.
            NotPermitted: it lies elsewhere.
        """
        path = self.find(name).path
        inside = self._paths.models.resolve()
        if not path.absolute().is_relative_to(self._paths.models.absolute()):
            raise NotPermitted(
                f"The model {name!r} lies in {str(path.parent)!r}, outside the models folder.",
                hint="Remove the file yourself, or take its folder out of the settings.",
            )
        if path.parent.resolve() != inside and (path.parent / SIDECAR).exists():
            shutil.rmtree(path.parent)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def _files(self) -> Iterator[Path]:
        """Files with an ending that an enabled loader names."""
        endings = {end for one in self._plugins.loaders().values() for end in one.extensions}
        folders = [self._paths.models, *map(Path, self._settings.value.model_folders)]
        seen: set[str] = set()
        for root in folders:
            for folder, inner, names in os.walk(root.expanduser(), followlinks=True):
                real = os.path.realpath(folder)
                if real in seen:
                    inner.clear()  # a loop of links, or a folder named twice
                    continue
                seen.add(real)
                inner[:] = [one for one in inner if not one.startswith(".")]
                for name in names:
                    path = Path(folder, name)
                    if path.suffix.removeprefix(".").lower() in endings and path.exists():
                        yield path


def _stamp(path: Path) -> tuple[str, int, int, int]:
    status = path.stat()
    try:
        sidecar = (path.parent / SIDECAR).stat().st_mtime_ns
    except FileNotFoundError:
        sidecar = 0
    return str(path), status.st_size, status.st_mtime_ns, sidecar


def _unique(models: list[CatalogModel]) -> list[CatalogModel]:
    """Give models of one name their folder's name as well, then a number."""
    taken: set[str] = set()
    unique = []
    for model in models:
        name = model.name
        if name in taken:
            name = f"{model.name}-{model.path.parent.name.lower()}"
        number = 2
        while name in taken:
            name = f"{model.name}-{number}"
            number += 1
        taken.add(name)
        unique.append(msgspec.structs.replace(model, name=name))
    return unique
