"""Finding plugins: entry points of installed distributions, and loose files."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import site
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint
from pathlib import Path
from types import CodeType
from typing import Any, Literal

import msgspec

from jackfield.errors import PluginError
from jackfield.plugin import Plugin

GROUP = "jackfield"


class Found(msgspec.Struct, frozen=True):
    """A plugin that is there, not imported yet.

    Attributes:
        name: what it is called in settings and requests.
        path: ``module:Class`` of an entry point, or the path of a loose file.
        distribution, version: of the package it came with, "" for a loose file.
        stamp: changes when the plugin does: its package's version, or its file's time and size.
        load: imports it and returns its class.
    """

    name: str
    path: str
    origin: Literal["package", "file"]
    distribution: str
    version: str
    stamp: str
    load: Callable[[], Any]

    @property
    def owner(self) -> str:
        """The distribution or the file that it comes from."""
        return self.distribution or Path(self.path).name

    @property
    def top_package(self) -> str:
        """The package that is imported for it, "" for a loose file."""
        return self.path.partition(":")[0].partition(".")[0] if self.origin == "package" else ""


def find(entry_points: Iterable[EntryPoint] | None, folder: Path) -> dict[str, list[Found]]:
    """All plugins by name; several of one name are a conflict."""
    groups: dict[str, list[Found]] = {}
    for one in [*installed(entry_points), *loose(folder)]:
        groups.setdefault(one.name, []).append(one)
    return groups


def installed(entry_points: Iterable[EntryPoint] | None = None) -> list[Found]:
    """Plugins that distributions in this environment offer."""
    if entry_points is None:
        entry_points = importlib.metadata.entry_points(group=GROUP)
    distributions: dict[int, tuple[str, str]] = {}
    found: dict[tuple[str, str, str], Found] = {}
    for point in entry_points:
        if id(point.dist) not in distributions:  # its metadata is parsed anew at each question
            metadata = point.dist.metadata if point.dist else {"Name": "", "Version": ""}
            distributions[id(point.dist)] = metadata["Name"], metadata["Version"]
        name, version = distributions[id(point.dist)]
        one = Found(
            name=point.name,
            path=point.value,
            origin="package",
            distribution=name,
            version=version,
            stamp=f"{name} {version}",
            load=point.load,
        )
        found.setdefault((one.name, one.distribution, one.path), one)
    return sorted(found.values(), key=lambda one: (one.name, one.distribution))


def loose(folder: Path) -> list[Found]:
    """Plugins in single Python files of the user's plugins folder."""
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.glob("*.py")):
        if path.name.startswith(("_", ".")) or not path.is_file():
            continue
        status = path.stat()
        found.append(
            Found(
                name=path.stem.replace("_", "-"),
                path=str(path),
                origin="file",
                distribution="",
                version="",
                stamp=f"{status.st_mtime_ns} {status.st_size}",
                load=partial(load_file, path),
            )
        )
    return found


class _Uncached(SourceFileLoader):
    """Compiles a file each time: a cached one may be stale within a second, and litters."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def load_file(path: Path) -> type[Plugin]:
    """Import a loose file anew and return the one plugin class it defines.

    Raises:
        PluginError: it defines none, or several.
    """
    name = f"jackfield_loose_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Uncached(name, str(path)))
    if spec is None or spec.loader is None:
        raise PluginError(f"{str(path)!r} cannot be imported as a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    own = {
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Plugin) and value.__module__ == name
    }
    bases = {base for one in own for base in one.__mro__[1:]}
    classes = sorted(own - bases, key=lambda one: one.__name__)
    if len(classes) != 1:
        which = ", ".join(one.__name__ for one in classes) or "none"
        raise PluginError(
            f"A loose file defines one plugin, and {str(path)!r} defines {len(classes)}: {which}.",
            hint="Put one class derived from jackfield.Plugin into each file.",
        )
    return classes[0]


def refresh(since: float) -> None:
    """Let this process see packages that were installed while it runs.

    Args:
        since: seconds since the epoch; folders that editable installs added later are taken up.
    """
    importlib.invalidate_caches()
    for folder in [*site.getsitepackages(), site.getusersitepackages()]:
        for path in sorted(Path(folder).glob("*.pth")):
            if path.stat().st_mtime >= since - 1:
                site.addpackage(folder, path.name, None)


def forget(package: str) -> None:
    """Forget an imported package, so that its new version is imported next; never our own."""
    if package in ("", __name__.partition(".")[0]):
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
