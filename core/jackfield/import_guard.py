"""Finds out which plugin's import ended an earlier process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = "plugin-imports"


class ImportGuard:
    """Marks the plugin that is being imported in a file, which outlives the process.

    The marker is not forced onto the disk: what a process wrote survives its end, and only a
    loss of power could take it, which would not be the plugin's doing.

    Args:
        home: the data folder; each process has a marker of its own below it.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def culprits(self) -> dict[str, str]:
        """Plugins whose import ended a process, with their stamps; asking clears it."""
        found = {}
        for marker in sorted(self._folder.glob("*")):
            if not marker.name.isdigit() or _is_running(int(marker.name), marker):
                continue
            try:
                name, _, stamp = marker.read_text(encoding="utf-8").partition("\n")
            except FileNotFoundError:  # its process took it away meanwhile: the import went well
                continue
            marker.unlink(missing_ok=True)
            if name:
                found[name] = stamp
        return found

    @contextmanager
    def importing(self, name: str, stamp: str) -> Iterator[None]:
        """Hold the marker while a plugin is imported."""
        marker = self._folder / str(os.getpid())
        with suppress(OSError):  # no room for a marker is no reason to do without plugins
            self._folder.mkdir(parents=True, exist_ok=True)
            marker.write_text(f"{name}\n{stamp}", encoding="utf-8")
        try:
            yield
        finally:
            with suppress(OSError):
                marker.unlink(missing_ok=True)


def _is_running(pid: int, marker: Path) -> bool:
    """Whether the process that wrote a marker still runs; its number may be another's by now."""
    if pid == os.getpid():
        return False  # numbers begin anew in a container: an earlier process had ours
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.create_time() <= marker.stat().st_mtime + 1
    except (psutil.Error, FileNotFoundError):
        return False
