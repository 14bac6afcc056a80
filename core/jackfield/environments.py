"""Interpreters of their own for loaders whose back-ends clash with others.

An environment is a virtual environment that holds a loader's requirements and the few packages
that a worker needs. Jackfield's own code and the loader's are not copied into it: a small finder
points at the sources that the server runs, so they are always the same on both sides. A stamp is
written last; a folder without one is half made and never used.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import filelock
import msgspec

from jackfield.errors import DiskFull, InvalidRequest, LoadFailed, NotFound, NotPermitted
from jackfield.loader import Loader
from jackfield.paths import Paths
from jackfield.pip_process import Pip
from jackfield.settings_store import SettingsStore

KERNEL = ("editables", "msgspec", "pluggy", "pydantic")
"""What a worker needs itself; ``jackfield.worker`` imports nothing else of other people's."""

STAMP = "jackfield.json"
RESERVE = 3_000_000_000
"""Bytes of disk that must be free before one is made: PyTorch alone takes one."""

Progress = Callable[[str], None]
State = Literal["ready", "half made", "outdated", "being made"]


class Stamp(msgspec.Struct, frozen=True):
    """What an environment was made from."""

    requirements: tuple[str, ...]
    packages: tuple[str, ...]
    python: str


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
    """

    name: str
    requirements: tuple[str, ...]
    packages: tuple[str, ...]

    @classmethod
    def of(cls, loader: Loader) -> Wanted | None:
        """What a loader declares; None for one that runs in the server's interpreter."""
        if loader.environment is None:
            return None
        package = type(loader).__module__.partition(".")[0]
        return cls(loader.name, loader.environment.requirements, (package,))

    @property
    def stamp(self) -> Stamp:
        """What it is to be made from, here and now."""
        return Stamp(self.requirements, self.packages, sys.version)


class Environments:
    """Makes, lists, repairs and removes environments. For any thread and any process."""

    def __init__(self, paths: Paths, settings: SettingsStore) -> None:
        self._folder = paths.environments
        self._settings = settings
        self._pip = Pip(paths.home)

    def list(self) -> list[EnvironmentRecord]:
        """All environments, by name."""
        if not self._folder.is_dir():
            return []
        names = sorted(one.name for one in self._folder.iterdir() if one.is_dir())
        return [self.get(name) for name in names]

    def get(self, name: str) -> EnvironmentRecord:
        """One environment.

        Raises:
            NotFound: there is none.
        """
        folder = self._place(name)
        stamp = _read(folder)
        state: State = "ready" if stamp is not None else "half made"
        if stamp is not None and (stamp.python != sys.version or not python_of(folder).exists()):
            state = "outdated"
        if stamp is None and self._busy(name):
            state = "being made"
        return EnvironmentRecord(
            name, state, stamp.requirements if stamp else (), _size(folder), str(folder)
        )

    def interpreter(self, loader: Loader, progress: Progress = lambda line: None) -> str:
        """The interpreter for a loader's workers; an environment is made if it needs one.

        Raises:
            NotPermitted, DiskFull, PluginError: as for ``ensure``.
        """
        wanted = Wanted.of(loader)
        return sys.executable if wanted is None else str(self.ensure(wanted, progress))

    def ensure(self, wanted: Wanted, progress: Progress = lambda line: None) -> Path:
        """The interpreter of an environment, which is made if it is not there as wanted.

        Raises:
            NotPermitted: it would have to be made, and offline mode is on.
            DiskFull: there is no room for it.
            PluginError: pip failed.
        """
        folder = self._folder / wanted.name
        with self._locked(wanted.name):
            if _read(folder) != wanted.stamp or not python_of(folder).exists():
                self._make(wanted, folder, progress)
        return python_of(folder)

    def make(self, wanted: Wanted, progress: Progress = lambda line: None) -> Path:
        """Make an environment anew, whatever is there.

        Raises:
            NotPermitted, DiskFull, PluginError: as for ``ensure``.
        """
        with self._locked(wanted.name):
            self._make(wanted, self._folder / wanted.name, progress)
        return python_of(self._folder / wanted.name)

    def remove(self, name: str) -> None:
        """Delete an environment; its loader makes it anew when it is next needed.

        Raises:
            NotFound: there is none.
        """
        folder = self._place(name)
        with self._locked(name):
            (folder / STAMP).unlink(missing_ok=True)
            shutil.rmtree(folder)

    def _make(self, wanted: Wanted, folder: Path, progress: Progress) -> None:
        if self._settings.value.offline:
            raise NotPermitted(
                f"The environment {wanted.name!r} would have to be fetched, and offline mode is "
                "on.",
                hint="Switch offline mode off, then run: jackfield environments make "
                + wanted.name,
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if free < RESERVE:
            raise DiskFull(
                f"The environment {wanted.name!r} may need {RESERVE / 1e9:.0f} GB of disk and "
                f"{free / 1e9:.1f} GB are free in {str(self._folder)!r}.",
                hint="Free some space, or move the data folder to another disk.",
            )
        (folder / STAMP).unlink(missing_ok=True)  # first: a half-removed one is half made
        shutil.rmtree(folder, ignore_errors=True)
        progress(f"Making the environment {wanted.name!r}")
        _virtual(folder)
        kernel = [f"{name}=={version(name)}" for name in KERNEL]
        arguments = ["install", "--progress-bar", "off", *kernel, *wanted.requirements]
        self._pip.run(["--python", str(python_of(folder)), *arguments], progress, "install")
        _link(folder, ("jackfield", *wanted.packages))
        _check(folder, wanted)
        made = folder / f"{STAMP}.new"
        made.write_bytes(msgspec.json.encode(wanted.stamp))
        made.rename(folder / STAMP)

    def _place(self, name: str) -> Path:
        known = [one.name for one in self._folder.iterdir()] if self._folder.is_dir() else []
        folder = self._folder / name
        if name not in known or not folder.is_dir():
            raise NotFound(
                f"There is no environment {name!r}.", hint="All of them: jackfield environments"
            )
        return folder

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """One process at a time makes or removes an environment; the others wait."""
        if not name or Path(name).name != name or name.startswith("."):
            raise InvalidRequest(f"{name!r} cannot be the name of an environment.")
        self._folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(self._folder / f"{name}.lock"):
            yield

    def _busy(self, name: str) -> bool:
        lock = filelock.FileLock(self._folder / f"{name}.lock")
        try:
            with lock.acquire(blocking=False):
                return False
        except filelock.Timeout:
            return True


def python_of(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _virtual(folder: Path) -> None:
    """Make a virtual environment without pip, which the server's own pip fills."""
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if made.returncode:
        raise LoadFailed(
            f"The virtual environment {str(folder)!r} could not be made: {made.stdout.strip()}",
            hint="On Debian and Ubuntu: apt install python3-venv",
        )


def _link(folder: Path, packages: tuple[str, ...]) -> None:
    """Let an environment find packages of the server's, and no others of them."""
    from editables import EditableProject

    project = EditableProject("jackfield-server", folder)
    for name in dict.fromkeys(packages):
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.origin:
            raise LoadFailed(f"The package {name!r} of the loader is not to be found.")
        at = Path(spec.origin)
        project.map(name, at.parent if at.name == "__init__.py" else at)
    question = "import sysconfig; print(sysconfig.get_path('purelib'))"
    command = [str(python_of(folder)), "-I", "-c", question]
    asked = subprocess.run(command, check=True, capture_output=True, text=True)
    for name, content in project.files():
        (Path(asked.stdout.strip()) / name).write_text(content, encoding="utf-8")


def _check(folder: Path, wanted: Wanted) -> None:
    """Try whether a worker would start there.

    Raises:
        LoadFailed: it would not.
    """
    names = ", ".join(["jackfield.worker.child", *wanted.packages])
    command = [str(python_of(folder)), "-P", "-c", f"import {names}"]
    tried = subprocess.run(command, check=False, capture_output=True, text=True)
    if tried.returncode:
        raise LoadFailed(
            f"No worker can start in the environment {wanted.name!r}: "
            f"{tried.stderr.strip().rpartition(chr(10))[2]}",
            hint="Its requirements may clash with what a worker needs: "
            + ", ".join(f"{name} {version(name)}" for name in KERNEL),
        )


def _read(folder: Path) -> Stamp | None:
    try:
        return msgspec.json.decode((folder / STAMP).read_bytes(), type=Stamp)
    except (OSError, msgspec.DecodeError):
        return None


def _size(folder: Path) -> int:
    return sum(one.lstat().st_size for one in folder.rglob("*") if one.is_file())
