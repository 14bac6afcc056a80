"""A model's log: what its worker and the native libraries in it print."""

from __future__ import annotations

import re
import time
import zlib
from pathlib import Path
from typing import BinaryIO

_TAIL = 20  # lines quoted in an error


class ModelLog:
    """The log file of one model, kept short.

    The last run before this one is kept beside it (``.1``) once the file has grown past ``limit``
    bytes; a run that prints without end is cut to its latest part.
    """

    def __init__(self, folder: Path, model: str, *, limit: int = 4_000_000) -> None:
        self.path = folder / f"{file_name(model)}.log"
        self._limit = limit
        self._start = 0

    def open(self) -> BinaryIO:
        """Begin a run: the file to give to the worker as its standard error."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.trim()
        log = self.path.open("ab")
        self._start = log.tell()
        log.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} started\n".encode())
        log.flush()
        return log

    def trim(self) -> None:
        """Move what is there aside if it has grown too long.

        The worker appends, so it goes on at the start of the emptied file.
        """
        if not self.path.exists() or self.path.stat().st_size <= self._limit:
            return
        with self.path.open("r+b") as log:
            log.seek(-self._limit // 2, 2)
            self.path.with_suffix(".log.1").write_bytes(log.read())
            log.truncate(0)
        self._start = 0

    def tail(self, lines: int = _TAIL) -> str:
        """The last lines of this run; "" if it printed nothing."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(self._start, size - 65_536))
            text = log.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])


def file_name(model: str) -> str:
    """A file name for a model's name; different names give different ones."""
    plain = re.sub(r"[^\w.-]", "_", model).lstrip(".")[:100]
    return plain if plain == model else f"{plain}-{zlib.crc32(model.encode()):08x}"
