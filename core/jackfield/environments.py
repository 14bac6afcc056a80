"""Interpreters of their own for loaders whose back-ends clash with others.

An environment is a virtual environment that holds a loader's requirements and the few packages
that a worker needs. Jackfield's own code and the loader's are not copied into it: a small finder
points at the sources that the server runs, so they are always the same on both sides. A stamp is
written last; a folder without one is half made and never used.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec

from jackfield import environment_making as making
from jackfield.environment_making import KERNEL, python_of
from jackfield.errors import DiskFull, InvalidRequest, NotFound, NotPermitted
from jackfield.isolation import OURS, Isolated, Isolations
from jackfield.loader import Loader
from jackfield.paths import Paths
from jackfield.pip_process import Pip
from jackfield.settings_store import SettingsStore

__all__ = ["EnvironmentRecord", "Environments", "Wanted", "python_of"]

STAMP = "jackfield.json"
RESERVE = 3_000_000_000
"""Bytes of disk that must be free before one is made: PyTorch alone takes one."""

Progress = Callable[[str], None]
State = Literal["ready", "half made", "outdated", "being made", "not made"]


class Stamp(msgspec.Struct, frozen=True):
    """What an environment was made from.

    Attributes:
        size: bytes on disk when it was ready; no part of what is wanted.
    """

    requirements: tuple[str, ...]
    packages: tuple[str, ...]
    python: str
    distribution: str = ""
    size: int = 0


class EnvironmentRecord(msgspec.Struct, frozen=True):
    """An environment as users see it.

    Attributes:
        name: its loader's name, or that of the distribution that was installed isolated.
        size: bytes on disk.
    """

    name: str
    state: State
    requirements: tuple[str, ...]
    size: int
    path: str


class Wanted(msgspec.Struct, frozen=True):
    """An environment that a loader needs.

    Attributes:
        packages: top-level packages of the loader's own code, found where the server finds them.
        distribution: name and version of the isolated distribution, ``name==1.0``; else "".
    """

    name: str
    requirements: tuple[str, ...]
    packages: tuple[str, ...]
    distribution: str = ""

    @classmethod
    def of(cls, loader: Loader, isolated: Isolated | None = None) -> Wanted | None:
        """What a loader declares; None for one that runs in the server's interpreter.

        Args:
            isolated: its distribution, if that was installed isolated.
        """
        declared = loader.environment.requirements if loader.environment is not None else ()
        if isolated is not None:
            own = cls.for_distribution(isolated)
            if not declared:
                return own
            needs = (*own.requirements, *declared)
            return cls(loader.name, needs, own.packages, own.distribution)
        if loader.environment is None:
            return None
        package = type(loader).__module__.partition(".")[0]
        return cls(loader.name, declared, (package,))

    @classmethod
    def for_distribution(cls, isolated: Isolated) -> Wanted:
        """What all loaders of an isolated distribution share."""
        return cls(
            isolated.name,
            isolated.requirements,
            isolated.packages,
            f"{isolated.name}=={isolated.version}",
        )

    @property
    def stamp(self) -> Stamp:
        """What it is to be made from, here and now."""
        return Stamp(self.requirements, self.packages, sys.version, self.distribution)


class Environments:
    """Makes, lists, repairs and removes environments. For any thread and any process."""

    def __init__(self, paths: Paths, settings: SettingsStore) -> None:
        self._folder = paths.environments
        self._settings = settings
        self._pip = Pip(paths.home)
        self._isolations = Isolations(paths)

    def names(self) -> tuple[str, ...]:
        """Names of all environments that are there."""
        if not self._folder.is_dir():
            return ()
        return tuple(sorted(one.name for one in self._folder.iterdir() if one.is_dir()))

    def get(self, name: str, wanted: Wanted | None = None) -> EnvironmentRecord:
        """One environment.

        Args:
            wanted: what it should be; if it is not, it is outdated.

        Raises:
            NotFound: there is none.
        """
        folder = self._place(name)
        stamp = _read(folder)
        state: State = "ready" if stamp is not None else "half made"
        if stamp is not None and (
            stamp.python != sys.version
            or not python_of(folder).exists()
            or (wanted is not None and not _is(stamp, wanted))
        ):
            state = "outdated"
        if stamp is None and self._busy(name):
            state = "being made"
        return EnvironmentRecord(
            name,
            state,
            stamp.requirements if stamp else (),
            stamp.size if stamp and stamp.size else making.size(folder),
            str(folder),
        )

    def of_packages(self, packages: frozenset[str]) -> list[str]:
        """Names of the environments that were made for loaders in these top-level packages."""
        stamps = {name: _read(self._folder / name) for name in self.names()}
        return [name for name, one in stamps.items() if one and packages & {*one.packages}]

    def wanted(self, loader: Loader) -> Wanted | None:
        """The environment that a loader's workers run in; None: the server's interpreter."""
        package = type(loader).__module__.partition(".")[0]
        return Wanted.of(loader, self._isolations.of_package(package))

    def interpreter(self, loader: Loader, progress: Progress = lambda line: None) -> str:
        """The interpreter for a loader's workers; an environment is made if it needs one.

        Raises:
            NotPermitted, DiskFull, PluginError: as for ``ensure``.
        """
        wanted = self.wanted(loader)
        return sys.executable if wanted is None else str(self.ensure(wanted, progress))

    def ensure(self, wanted: Wanted, progress: Progress = lambda line: None) -> Path:
        """The interpreter of an environment, which is made if it is not there as wanted.

        Raises:
            NotPermitted: it would have to be made, and offline mode is on.
            DiskFull: there is no room for it.
            PluginError: pip failed.
            LoadFailed: no worker could start in it.
            InvalidRequest: it would have to be made anew, and models run in it.
        """
        folder = self._folder / wanted.name
        with self._locked(wanted.name):
            stamp = _read(folder)
            if stamp is None or not _is(stamp, wanted) or not python_of(folder).exists():
                self._make(wanted, folder, progress)
        return python_of(folder)

    def make(self, wanted: Wanted, progress: Progress = lambda line: None) -> Path:
        """Make an environment anew, whatever is there.

        Raises:
            NotPermitted, DiskFull, PluginError, LoadFailed, InvalidRequest: as for ``ensure``.
        """
        with self._locked(wanted.name):
            self._make(wanted, self._folder / wanted.name, progress)
        return python_of(self._folder / wanted.name)

    def remove(self, name: str) -> None:
        """Delete an environment; its loader makes it anew when it is next needed.

        Raises:
            NotFound: there is none.
            InvalidRequest: it is being made, or models run in it.
        """
        folder = self._place(name)
        with self._locked(name, wait=False):
            self.refuse_used(name, "be removed")
            (folder / STAMP).unlink(missing_ok=True)
            shutil.rmtree(folder)

    def users(self, name: str) -> tuple[str, ...]:
        """Models that run in an environment now."""
        return making.running_in(self._folder / name)

    def refuse_used(self, name: str, what: str) -> None:
        """Refuse to touch an environment under a running model.

        Raises:
            InvalidRequest: models run in it; ``details['models']`` names them.
        """
        models = self.users(name)
        if models:
            raise InvalidRequest(
                f"The environment {name!r} cannot {what}: {', '.join(map(repr, models))} "
                f"{'runs' if len(models) == 1 else 'run'} in it.",
                hint=f"Unload first: jackfield models unload {models[0]}",
                models=[*models],
            )

    def _make(self, wanted: Wanted, folder: Path, progress: Progress) -> None:
        if self._settings.value.offline:
            raise NotPermitted(
                f"The environment {wanted.name!r} would have to be fetched, and offline mode is "
                "on.",
                hint="Switch offline mode off, then run: jackfield environments make "
                + wanted.name,
            )
        self.refuse_used(wanted.name, "be made anew")
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if free < RESERVE:
            raise DiskFull(
                f"The environment {wanted.name!r} may need {RESERVE / 1e9:.0f} GB of disk and "
                f"{free / 1e9:.1f} GB are free in {str(self._folder)!r}.",
                hint="Free some space, or move the data folder to another disk.",
            )
        with making.explaining_a_full_disk(folder):
            making.end_strays(folder)
            (folder / STAMP).unlink(missing_ok=True)  # first: a half-removed one is half made
            shutil.rmtree(folder, ignore_errors=True)
            progress(f"Making the environment {wanted.name!r}")
            making.virtual(folder)
            for one in (f"{OURS}=={version(OURS)}", wanted.distribution):
                if one:
                    making.announce(folder, one)
            kernel = [f"{name}=={version(name)}" for name in KERNEL]
            arguments = ["install", "--progress-bar", "off", *kernel, *wanted.requirements]
            self._pip.run(["--python", str(python_of(folder)), *arguments], progress, "install")
            making.link(folder, (OURS, *wanted.packages))
            making.check(folder, wanted.name, wanted.packages)
            made = folder / f"{STAMP}.new"
            stamp = msgspec.structs.replace(wanted.stamp, size=making.size(folder))
            made.write_bytes(msgspec.json.encode(stamp))
            made.rename(folder / STAMP)

    def _place(self, name: str) -> Path:
        known = [one.name for one in self._folder.iterdir()] if self._folder.is_dir() else []
        folder = self._folder / name
        if name not in known or not folder.is_dir():
            raise NotFound(
                f"There is no environment {name!r}.",
                hint="All of them: jackfield environments list",
            )
        return folder

    @contextmanager
    def _locked(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """One process at a time makes or removes an environment; the others wait.

        Raises:
            InvalidRequest: not the name of an environment; or one is at it and ``wait`` is False.
        """
        import filelock

        if not name or Path(name).name != name or name.startswith("."):
            raise InvalidRequest(f"{name!r} cannot be the name of an environment.")
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self._folder / f"{name}.lock")
        try:
            lock.acquire(blocking=wait)
        except filelock.Timeout as error:
            raise InvalidRequest(
                f"The environment {name!r} is being made.", hint="Wait until it is ready."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _busy(self, name: str) -> bool:
        import filelock

        lock = filelock.FileLock(self._folder / f"{name}.lock")
        try:
            with lock.acquire(blocking=False):
                return False
        except filelock.Timeout:
            return True


def _read(folder: Path) -> Stamp | None:
    try:
        return msgspec.json.decode((folder / STAMP).read_bytes(), type=Stamp)
    except (OSError, msgspec.DecodeError):
        return None


def _is(stamp: Stamp, wanted: Wanted) -> bool:
    """Whether an environment was made from what is wanted."""
    return msgspec.structs.replace(stamp, size=0) == wanted.stamp
