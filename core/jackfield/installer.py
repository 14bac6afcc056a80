"""Installing and uninstalling plugins, without importing them."""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from jackfield.discovery import Found, installed, loose
from jackfield.errors import InvalidRequest, NotPermitted, PluginError
from jackfield.isolated_install import Isolation
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.pip_process import Pip, Progress
from jackfield.plugin_record import PluginRecord
from jackfield.settings_store import SettingsStore

OURS = "jackfield"
REMOVED = ".removed"
"""Loose files that were uninstalled, below the plugins folder."""

DEVELOPERS = ("test", "benchmarks")
"""Extras that nobody needs who only uses Jackfield."""


class Change(msgspec.Struct, frozen=True):
    """A package that would be installed; ``old`` is the version that is there, or ""."""

    name: str
    old: str
    new: str


class Plan(msgspec.Struct, frozen=True):
    """What installing something would do.

    Attributes:
        changes: in the server's environment.
        isolated: it gets an environment of its own, which would hold the ``requirements``.
    """

    spec: str
    changes: tuple[Change, ...]
    isolated: bool = False
    requirements: tuple[str, ...] = ()


class Installer:
    """Installs plugins into the environment that Jackfield runs in."""

    def __init__(self, paths: Paths, settings: SettingsStore, plugins: PluginManager) -> None:
        self._paths = paths
        self._settings = settings
        self._plugins = plugins
        self._pip = Pip(paths.home)
        self._isolation = Isolation(paths, settings, plugins)

    def plan(
        self,
        spec: str,
        *,
        editable: bool = False,
        upgrade: bool = False,
        isolated: bool = False,
        progress: Progress = lambda line: None,
    ) -> Plan:
        """What ``install`` would install or move; nothing is changed.

        Raises:
            InvalidRequest: not something pip could install.
            NotPermitted: it would have to be fetched, and offline mode is on.
            PluginError: pip cannot, or a package that Jackfield needs would be changed.
        """
        arguments = self._arguments(spec, editable, upgrade, isolated)
        if isolated:
            self._isolation.refuse_offline(spec)
        entries = self._pip.plan(arguments, progress)
        here = versions()
        changes = tuple(
            Change(
                entry["metadata"]["name"],
                here.get(canonicalize_name(entry["metadata"]["name"]), ""),
                entry["metadata"]["version"],
            )
            for entry in entries
        )
        needed = needed_packages()
        moved = [
            one
            for one in changes
            if canonicalize_name(one.name) in needed and one.old not in ("", one.new)
        ]
        if moved or any(canonicalize_name(one.name) == OURS for one in changes):
            words = ", ".join(f"{one.name} {one.old} → {one.new}" for one in moved) or OURS
            raise PluginError(
                f"{spec!r} was not installed: it would change what Jackfield itself needs: "
                f"{words}.",
                hint="Ask its author for a version that fits, or for wider requirements.",
                spec=spec,
                packages=[one.name for one in moved],
            )
        names = [one.name for one in changes] or [_name_in(spec)]
        if not isolated:
            self._isolation.refuse_mixing(names)
            return Plan(spec, changes)
        texts = [text for one in entries for text in one["metadata"].get("requires_dist", ())]
        return Plan(spec, changes, True, self._isolation.requirements(names[0], spec, texts))

    def install(
        self,
        spec: str,
        *,
        editable: bool = False,
        upgrade: bool = False,
        isolated: bool = False,
        progress: Progress = lambda line: None,
        plan: Plan | None = None,
    ) -> list[PluginRecord]:
        """Install a package and take up the plugins it brings, without a restart.

        Args:
            spec: what pip takes: a name with or without a version, a folder, a file, an address.
            editable: the folder itself is used, for one that is being written.
            upgrade: take the newest version of a package that is there already.
            isolated: leave out what it needs, and make an environment that holds it; workers of
                its loaders start there.
            progress: told the lines that pip prints.
            plan: what ``plan`` answered for the same arguments, if it was asked before.

        Returns:
            The plugins of the packages that were installed; empty if they bring none.

        Raises:
            InvalidRequest, NotPermitted, PluginError: as for ``plan``.
            DiskFull: there was no room.
        """
        if plan is None:
            plan = self.plan(
                spec, editable=editable, upgrade=upgrade, isolated=isolated, progress=progress
            )
        names: set[str] = {canonicalize_name(one.name) for one in plan.changes}
        names = names or {_name_in(spec)}
        words = self._arguments(spec, editable, upgrade, isolated)
        with (
            self._isolation.installing(names, spec, self._take_back) if isolated else nullcontext(),
            pinned() as pins,
        ):
            arguments = ["--constraint", str(pins), *words]
            self._pip.run(["install", "--progress-bar", "off", *arguments], progress, "install")
            self._plugins.discover(again=names)
            if isolated:
                self._isolation.furnish(names, progress)
        return [
            one
            for one in self._plugins.records()
            if one.distribution and canonicalize_name(one.distribution) in names
        ]

    def uninstall(self, name: str, *, progress: Progress = lambda line: None) -> str:
        """Uninstall the package a plugin came with, or put its loose file aside.

        Its options stay, for another time.

        Args:
            name: the plugin's, or where two have one name that of its package or file.

        Returns:
            What was done, in a sentence.

        Raises:
            PluginNotFound: no such plugin.
            InvalidRequest: several packages have a plugin of this name.
            PluginError: it belongs to Jackfield, or pip failed.
        """
        found = self._find(name)
        if found.origin == "file":
            return self._put_aside(Path(found.path))
        package = found.distribution
        if canonicalize_name(package) == OURS:
            raise PluginError(
                f"Plugin {name!r} comes with Jackfield and cannot be uninstalled on its own.",
                hint=f"Disable it instead: jackfield plugins disable {found.name}",
                plugin=found.name,
            )
        there = [one for one in installed() if one.distribution == package]
        gone = [one.name for one in there]
        environments = self._isolation.environments_of(package, there)
        self._pip.run(["uninstall", "--yes", package], progress, "uninstall")
        self._plugins.discover()
        if any(one.distribution == package for one in installed()):
            raise PluginError(
                f"pip left the package {package!r} where it is.",
                hint="It may belong to the system: use its package manager, or disable the plugin: "
                f"jackfield plugins disable {found.name}",
                plugin=found.name,
            )
        self._isolation.forget(package, environments)
        others = [one for one in gone if one != found.name]
        also = f", and with it {', '.join(others)}" if others else ""
        if environments:
            also += f", and the environment {', '.join(environments)}"
        return f"Uninstalled the package {package!r}{also}. Its options are kept."

    def _take_back(self, package: str) -> None:
        """Remove a package whose installation failed after it had been there already."""
        self._pip.run(["uninstall", "--yes", package], lambda line: None, "uninstall")
        self._plugins.discover()

    def _find(self, name: str) -> Found:
        everything = [*installed(), *loose(self._paths.plugins)]
        found = [one for one in everything if one.name == name]
        if not found:
            wanted = canonicalize_name(name)
            found = [
                one for one in everything if name == one.owner or wanted == one.distribution.lower()
            ][:1]
        if not found:
            record = self._plugins.record(name)
            raise PluginError(f"Plugin {record.name!r} was not installed, so it stays.")
        owners = sorted({one.owner for one in found})
        if len(owners) > 1:
            raise InvalidRequest(
                f"Several packages have a plugin {name!r}: {', '.join(owners)}.",
                hint=f"Say which: jackfield plugins uninstall {owners[0]}",
                param="name",
            )
        return found[0]

    def _put_aside(self, path: Path) -> str:
        folder = self._paths.plugins / REMOVED
        folder.mkdir(exist_ok=True)
        aside = folder / f"{path.stem}-{datetime.now():%Y%m%d-%H%M%S-%f}.py"
        path.rename(aside)
        self._plugins.discover()
        return f"Moved {path.name} to {str(aside)!r}; move it back to have it again."

    def _arguments(
        self, spec: str, editable: bool, upgrade: bool, isolated: bool = False
    ) -> list[str]:
        spec = spec.strip()
        if not spec or spec.startswith("-") or "\n" in spec:
            raise InvalidRequest(
                f"{spec!r} is not something to install.",
                hint="Give a package's name, a folder, a wheel file or an address.",
                param="spec",
            )
        offline = self._settings.value.offline
        is_here = Path(spec).expanduser().exists()
        if _is_path(spec) and "://" not in spec and not is_here:
            raise InvalidRequest(
                f"There is nothing at {spec!r}.",
                hint="Give a folder with a pyproject.toml, a wheel file, or a package's name.",
                param="spec",
            )
        if offline and not is_here:
            raise NotPermitted(
                f"{spec!r} would have to be fetched, and offline mode is on.",
                hint="Switch offline mode off in the settings, or give a folder or a wheel file.",
            )
        spec = str(Path(spec).expanduser().resolve()) if is_here and _is_path(spec) else spec
        options = [*(["--no-index"] if offline else []), *(["--upgrade"] if upgrade else [])]
        options += ["--no-deps"] if isolated else []
        return [*options, *(["--editable"] if editable else []), spec]


def _is_path(spec: str) -> bool:
    return "/" in spec or "\\" in spec or spec in (".", "..") or spec.endswith(".whl")


def _name_in(spec: str) -> str:
    """The name in something to install; "" for a folder or an address."""
    try:
        if spec.endswith(".whl"):
            return parse_wheel_filename(Path(spec).name)[0]
        return canonicalize_name(Requirement(spec).name)
    except (InvalidRequirement, InvalidWheelFilename):
        return ""


def versions() -> dict[str, str]:
    """Versions of the packages in this environment by canonical name; the first on the path."""
    found: dict[str, str] = {}
    for one in importlib.metadata.distributions():
        found.setdefault(canonicalize_name(one.metadata["Name"]), one.metadata["Version"])
    return found


def needed_packages() -> frozenset[str]:
    """Canonical names of what Jackfield needs, directly or not, and of its extras that are here."""
    here = versions()
    needed: set[str] = set()
    waiting: list[tuple[str, tuple[str, ...]]] = [(OURS, tuple(_extras(OURS)))]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        one = waiting.pop()
        name, extras = one
        if one in seen or name not in here:
            continue
        seen.add(one)
        needed.add(name)
        for text in importlib.metadata.requires(name) or ():
            requirement = Requirement(text)
            applies = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            )
            if applies:
                waiting.append(
                    (canonicalize_name(requirement.name), tuple(sorted(requirement.extras)))
                )
    return frozenset(needed)


def _extras(name: str) -> list[str]:
    """What a package offers besides, but for what only its developers need."""
    metadata = importlib.metadata.metadata(name)
    return [one for one in metadata.get_all("Provides-Extra") or () if one not in DEVELOPERS]


@contextmanager
def pinned() -> Iterator[Path]:
    """A constraints file that keeps what Jackfield needs at the versions that are here."""
    here = versions()
    lines = [f"{name}=={here[name]}" for name in sorted(needed_packages()) if name in here]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "constraints.txt"
        path.write_text("\n".join(lines), encoding="utf-8")
        yield path
