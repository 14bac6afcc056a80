"""The steps in which a virtual environment for workers is made."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from jackfield.errors import DiskFull, LoadFailed

KERNEL = ("editables", "msgspec", "pluggy", "pydantic")
"""What a worker needs itself; ``jackfield.worker`` imports nothing else of other people's."""

WORKER = "jackfield.worker"


def python_of(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def virtual(folder: Path) -> None:
    """Make a virtual environment without pip, which the server's own pip fills.

    Raises:
        DiskFull: there was no room.
        LoadFailed: it could not be made.
    """
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if not made.returncode:
        return
    said = made.stdout.strip()
    if "No space left on device" in said:
        raise no_room(folder)
    raise LoadFailed(
        f"The virtual environment {str(folder)!r} could not be made: {said}",
        hint="On Debian and Ubuntu: apt install python3-venv",
    )


def announce(folder: Path, distribution: str) -> None:
    """Note in an environment that a distribution is there, whose code is linked and not copied.

    pip then asks nobody for it when something else requires it, and its own
    ``importlib.metadata.version`` works.

    Args:
        distribution: name and version, with ``==`` between them.
    """
    name, _, number = distribution.partition("==")
    info = _packages(folder) / f"{name.replace('-', '_')}-{number}.dist-info"
    info.mkdir(exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n"
    (info / "METADATA").write_text(text, encoding="utf-8")
    (info / "INSTALLER").write_text("jackfield\n", encoding="utf-8")
    (info / "RECORD").write_text("", encoding="utf-8")


def link(folder: Path, packages: tuple[str, ...]) -> None:
    """Let an environment find packages of the server's, and no others of them.

    Raises:
        LoadFailed: one is not to be found.
    """
    from editables import EditableProject

    project = EditableProject("jackfield-server", folder)
    for name in dict.fromkeys(packages):
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.origin:
            raise LoadFailed(f"The package {name!r} of the loader is not to be found.")
        at = Path(spec.origin)
        project.map(name, at.parent if at.name == "__init__.py" else at)
    for name, content in project.files():
        (_packages(folder) / name).write_text(content, encoding="utf-8")


def check(folder: Path, name: str, packages: tuple[str, ...]) -> None:
    """Try whether a worker would start there.

    Raises:
        LoadFailed: it would not.
    """
    names = ", ".join([f"{WORKER}.child", *packages])
    command = [str(python_of(folder)), "-P", "-c", f"import {names}"]
    tried = subprocess.run(command, check=False, capture_output=True, text=True)
    if tried.returncode:
        raise LoadFailed(
            f"No worker can start in the environment {name!r}: "
            f"{tried.stderr.strip().rpartition(chr(10))[2]}",
            hint="Its requirements may clash with what a worker needs: "
            + ", ".join(f"{name} {version(name)}" for name in KERNEL),
        )


def running_in(folder: Path) -> tuple[str, ...]:
    """Models whose workers run in an environment, whichever Jackfield started them."""
    import psutil

    found = []
    for one in psutil.process_iter(["cmdline"]):
        words = one.info["cmdline"] or []
        if words and Path(words[0]).is_relative_to(folder) and WORKER in words:
            found.append(words[-1])
    return tuple(sorted(found))


def end_strays(folder: Path) -> None:
    """End pip where a Jackfield that was killed left it at work; for who holds the lock.

    It would go on to write into what is made next.
    """
    import psutil

    found = []
    for one in psutil.process_iter(["cmdline"]):
        words = one.info["cmdline"] or []
        is_inside = words and Path(words[0]).is_relative_to(folder) and WORKER not in words
        if is_inside or str(python_of(folder)) in words[1:]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
                found.append(one)
    psutil.wait_procs(found, timeout=10)


@contextmanager
def explaining_a_full_disk(folder: Path) -> Iterator[None]:
    """Say what an operating system's error means.

    Raises:
        DiskFull: there was no room.
        LoadFailed: any other failure of writing.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_room(folder) from error
        raise LoadFailed(
            f"The environment in {str(folder)!r} could not be written: {error.strerror or error}."
        ) from error


def no_room(folder: Path) -> DiskFull:
    """The disk became full."""
    return DiskFull(
        f"The disk became full while {str(folder)!r} was being made.",
        hint="Free some space and try again, or move the data folder to another disk.",
        path=str(folder),
    )


def size(folder: Path) -> int:
    """Bytes of the files in a folder, which may be changing."""
    total = 0
    for inside, _, names in os.walk(folder):  # which passes over what is gone by then
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(inside) / name).lstat().st_size
    return total


def _packages(folder: Path) -> Path:
    question = "import sysconfig; print(sysconfig.get_path('purelib'))"
    command = [str(python_of(folder)), "-I", "-c", question]
    asked = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(asked.stdout.strip())
