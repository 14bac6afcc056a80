"""Where a model lies while it is being fetched."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from jackfield.errors import InvalidRequest

PARTIAL = ".partial"
"""A hidden folder among the models: the same file system, and never scanned."""
JOB = ".job.json"
"""Beside what has arrived of a download that can go on; no model has a name like it."""
MOMENT = 0.3
"""Seconds to wait for one that is just ending."""


class Workplace(msgspec.Struct):
    """A folder to fetch a model into.

    Attributes:
        kept: it stays when the work in it ends.
    """

    folder: Path
    kept: bool = False

    def clear(self) -> None:
        """Remove the folder with all that has arrived."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def workplace(models: Path, name: str, *, fresh: bool = True) -> Iterator[Workplace]:
    """A folder to fetch a model into, for one process at a time; removed afterwards unless kept.

    A lock that the system gives back when a process dies tells a killed download from one that
    another process is busy with.

    Args:
        fresh: begin with an empty one, whatever an earlier download left.

    Raises:
        InvalidRequest: another process is fetching this model.
    """
    from filelock import FileLock, Timeout

    partial = models / PARTIAL
    partial.mkdir(parents=True, exist_ok=True)
    lock = FileLock(partial / f"{name}.lock")
    try:
        lock.acquire(timeout=MOMENT, poll_interval=0.05)
    except Timeout as error:
        raise InvalidRequest(
            f"The model {name!r} is being fetched by another Jackfield process.",
            hint="Wait for that one, or stop it.",
        ) from error
    place = Workplace(partial / name)
    try:
        if fresh:
            place.clear()
        place.folder.mkdir(exist_ok=True)
        yield place
    finally:
        if not place.kept:
            place.clear()
        (partial / f"{name}.lock").unlink(missing_ok=True)
        lock.release()


def held(models: Path, name: str) -> bool:
    """Whether a process is busy with a model's folder at this moment."""
    from filelock import FileLock, Timeout

    path = models / PARTIAL / f"{name}.lock"
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    path.unlink(missing_ok=True)
    lock.release()
    return False


def clean(models: Path, kept: Collection[str]) -> None:
    """Remove what killed downloads left, but for those named; those that run are let be."""
    partial = models / PARTIAL
    left = {one.stem for one in partial.glob("*.lock")}
    left |= {one.name for one in partial.glob("*/")}
    for name in left - set(kept):
        # OSError: somebody else's, and no reason not to start
        with contextlib.suppress(InvalidRequest, OSError), workplace(models, name):
            pass
