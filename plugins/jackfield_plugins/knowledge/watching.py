"""Following folders: what changes in them changes in the collection."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

LOG = logging.getLogger("jackfield.knowledge")
SETTLING = 1_000
"""Milliseconds that a folder has to be quiet before its changes are looked at."""
POLLING = 5.0
"""Seconds between looks where the system does not tell of changes."""


class Watcher:
    """Watches folders in one thread.

    Args:
        changed: is told a folder in which something changed; has to return soon.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._stop = threading.Event()
        self._folders: tuple[str, ...] = ()
        self._thread: threading.Thread | None = None

    def follow(self, folders: Sequence[str]) -> None:
        """Watch these folders and no others."""
        wanted = tuple(sorted({one for one in folders if Path(one).is_dir()}))
        if wanted == self._folders:
            return
        self.stop()
        self._folders = wanted
        if not wanted:
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._stop, wanted), name="knowledge-watch", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Watch nothing any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2)
        self._thread, self._folders = None, ()

    def _run(self, stop: threading.Event, folders: Sequence[str]) -> None:
        try:
            from watchfiles import watch

            for changes in watch(
                *folders,
                debounce=SETTLING,
                step=100,
                stop_event=stop,
                rust_timeout=500,
                yield_on_timeout=False,
                raise_interrupt=False,
            ):
                paths = [Path(path) for _, path in changes]
                for folder in folders:
                    if any(path.is_relative_to(folder) for path in paths):
                        self._changed(folder)
        except Exception as error:  # noqa: BLE001 - no library, no more watches, a lost folder
            LOG.warning("folders are looked at every %g s: %s", POLLING, error)
            while not stop.wait(POLLING):
                for folder in folders:
                    self._changed(folder)
