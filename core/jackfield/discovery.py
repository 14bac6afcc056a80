"""Finding plugins: entry points of installed distributions, and loose files."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import msgspec

from jackfield.errors import PluginError
from jackfield.plugin import Plugin

GROUP = "jackfield"
MARKER = "plugin-being-imported"


class Found(msgspec.Struct, frozen=True):
    """A plugin that is there, not imported yet.

    Attributes:
        name: what it is called in settings and requests.
        path: ``module:Class`` of an entry point, or the path of a loose file.
        distribution, version: of the package it came with, "" for a loose file.
        load: imports it and returns its class.
    """

    name: str
    path: str
    origin: Literal["package", "file"]
    distribution: str
    version: str
    load: Callable[[], Any]


def installed(entry_points: Iterable[EntryPoint] | None = None) -> list[Found]:
    """Plugins that distributions in this environment offer."""
    if entry_points is None:
        entry_points = importlib.metadata.entry_points(group=GROUP)
    found = []
    for point in entry_points:
        metadata = point.dist.metadata if point.dist else None
        found.append(
            Found(
                name=point.name,
                path=point.value,
                origin="package",
                distribution=metadata["Name"] if metadata else "",
                version=point.dist.version if point.dist else "",
                load=point.load,
            )
        )
    return sorted(found, key=lambda one: (one.name, one.distribution))


def loose(folder: Path) -> list[Found]:
    """Plugins in single Python files of the user's plugins folder."""
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    return [
        Found(
            name=path.stem.replace("_", "-"),
            path=str(path),
            origin="file",
            distribution="",
            version="",
            load=partial(load_file, path),
        )
        for path in files
    ]


def load_file(path: Path) -> type[Plugin]:
    """Import a loose file anew and return the one plugin class it defines.

    Raises:
        PluginError: it defines none, or several.
    """
    name = f"jackfield_loose_{path.stem}"
    sys.modules.pop(name, None)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{str(path)!r} cannot be imported as a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Plugin) and value.__module__ == name
    ]
    if len(classes) != 1:
        raise PluginError(
            f"{str(path)!r} defines {len(classes)} plugins; a loose file defines one.",
            hint="Put one class derived from jackfield.Plugin into each file.",
        )
    return classes[0]


class ImportGuard:
    """Remembers which plugin is being imported, so that one that kills the process is found out.

    Args:
        folder: where the marker file lies; it outlives the process.
    """

    def __init__(self, folder: Path) -> None:
        self._marker = folder / MARKER

    def culprit(self) -> str:
        """The plugin whose import ended an earlier process, or ""; asking clears it."""
        try:
            pid, _, name = self._marker.read_text(encoding="utf-8").partition(" ")
        except FileNotFoundError:
            return ""
        if pid.isdigit() and _alive(int(pid)):
            return ""  # another process is importing it at this moment
        self._marker.unlink(missing_ok=True)
        return name

    @contextmanager
    def importing(self, name: str) -> Iterator[None]:
        """Hold the marker while a plugin is imported."""
        self._marker.write_text(f"{os.getpid()} {name}", encoding="utf-8")
        try:
            yield
        finally:
            self._marker.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    import psutil

    return pid != os.getpid() and psutil.pid_exists(pid)
