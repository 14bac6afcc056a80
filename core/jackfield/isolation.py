"""Which distributions were installed isolated: without what they need, which an environment holds.

Only the name and the extras are written down. What a distribution requires and contains is asked
of its metadata each time, so that it is right after an upgrade by whatever means.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import cached_property
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import msgspec
from packaging.utils import canonicalize_name

from jackfield.discovery import GROUP
from jackfield.errors import PluginError
from jackfield.paths import Paths

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from packaging.requirements import Requirement

OURS = "jackfield"


class Isolated(msgspec.Struct, frozen=True):
    """A distribution whose loaders' workers run in an environment of its own.

    Attributes:
        name: canonical name; also that of its environment.
        extras: the extras that were asked for.
    """

    name: str
    extras: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The installed version; "" if it is gone."""
        found = _installed(self.name)
        return found.version if found else ""

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip is to put into its environment.

        Raises:
            PluginError: it needs another version of Jackfield.
        """
        found = _installed(self.name)
        return requirements(self.name, found.requires or () if found else (), self.extras)

    @property
    def packages(self) -> tuple[str, ...]:
        """Top-level packages of its code, those that plugins are in first."""
        found = _installed(self.name)
        if found is None:
            return ()
        points = [one for one in found.entry_points if one.group == GROUP]
        names = [one.value.partition(":")[0].partition(".")[0] for one in points]
        others = {_top(path) for path in found.files or ()} - {""}
        return tuple(dict.fromkeys([*names, *(one for one in sorted(others) if _is_found(one))]))


class Isolations:
    """The list of them, a file in the data folder. For any thread and any process."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.home / "isolated.json"
        self._lock_file = paths.home / "isolated.lock"

    @cached_property
    def _lock(self) -> BaseFileLock:
        import filelock

        return filelock.FileLock(self._lock_file)

    def list(self) -> list[Isolated]:
        """All of them; those among them that are not installed (any more) do no harm."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=list[Isolated])
        except FileNotFoundError:
            return []
        except msgspec.DecodeError as error:
            raise PluginError(
                f"{str(self._file)!r} is damaged: {error}.",
                hint="Delete it, and install anew with --isolated what was isolated.",
            ) from error

    def get(self, name: str) -> Isolated | None:
        """The one of a name, in any spelling."""
        wanted = canonicalize_name(name)
        return next((one for one in self.list() if one.name == wanted), None)

    def of_package(self, package: str) -> Isolated | None:
        """The one that a top-level package belongs to."""
        return next((one for one in self.list() if package in one.packages), None)

    def add(self, isolated: Isolated) -> None:
        """Note one, in place of what was noted under its name."""
        with self._lock:
            self._write([*(one for one in self.list() if one.name != isolated.name), isolated])

    def remove(self, name: str) -> None:
        """Forget one."""
        with self._lock:
            self._write([one for one in self.list() if one.name != canonicalize_name(name)])

    def _write(self, all_: Iterable[Isolated]) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(sorted(all_, key=lambda one: one.name)))
        fresh.replace(self._file)


def requirements(name: str, texts: Iterable[str], extras: Iterable[str]) -> tuple[str, ...]:
    """What a distribution needs besides Jackfield, on this computer and with these extras.

    Args:
        name: the distribution's, which may ask for extras of its own.
        texts: its ``Requires-Dist`` lines.

    Raises:
        PluginError: it needs another version of Jackfield.
    """
    from packaging.requirements import Requirement

    every = [Requirement(text) for text in texts]
    wanted, seen = ["", *extras], set[str]()
    found: dict[str, None] = {}
    while wanted:
        extra = wanted.pop(0)
        if extra in seen:
            continue
        seen.add(extra)
        for one in every:
            if one.marker is not None and not one.marker.evaluate({"extra": extra}):
                continue
            if canonicalize_name(one.name) == OURS:
                _check_ours(name, one)
            elif canonicalize_name(one.name) == canonicalize_name(name):
                wanted += sorted(one.extras)
            else:
                found[str(one).partition(";")[0].strip()] = None
    return tuple(found)


def extras_in(spec: str) -> tuple[str, ...]:
    """The extras in something to install: ``name[a,b]``, ``folder[a]``."""
    from packaging.requirements import InvalidRequirement, Requirement

    _, bracket, tail = spec.partition("[")
    if not bracket or "]" not in tail:
        return ()
    try:
        return tuple(sorted(Requirement(f"{OURS}[{tail.partition(']')[0]}]").extras))
    except InvalidRequirement:
        return ()


def _check_ours(name: str, wanted: Requirement) -> None:
    if not wanted.specifier.contains(version(OURS), prereleases=True):
        raise PluginError(
            f"{name!r} needs {wanted.name} {wanted.specifier}; this is {version(OURS)}.",
            hint="Install a version of it that fits, or another version of Jackfield.",
        )


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _top(path: PurePath) -> str:
    """The package or module that a file of a distribution belongs to, "" for other files."""
    first = Path(path.parts[0]).stem if len(path.parts) == 1 else path.parts[0]
    is_code = path.suffix == ".py" and first.isidentifier() and not first.startswith("_")
    return first if is_code else ""


def _is_found(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    return spec is not None and bool(spec.origin)
