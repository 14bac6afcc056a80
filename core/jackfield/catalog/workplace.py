"""Where a model lies while it is being fetched."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from jackfield.errors import InvalidRequest

PARTIAL = ".partial"
"""A hidden folder among the models: the same file system, and never scanned."""
MOMENT = 0.3
"""Seconds to wait for one that is just ending."""


@contextlib.contextmanager
def workplace(models: Path, name: str) -> Iterator[Path]:
    """An empty folder to fetch a model into, for one process at a time; removed afterwards.

    A lock that the system gives back when a process dies tells a killed download, whose remains
    are removed, from one that another process is busy with.

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
    folder = partial / name
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        (partial / f"{name}.lock").unlink(missing_ok=True)
        lock.release()


def clean(models: Path) -> None:
    """Remove what killed downloads left; those that run, here or elsewhere, are let be."""
    for left in (models / PARTIAL).glob("*.lock"):
        # OSError: somebody else's, and no reason not to start
        with contextlib.suppress(InvalidRequest, OSError), workplace(models, left.stem):
            pass
