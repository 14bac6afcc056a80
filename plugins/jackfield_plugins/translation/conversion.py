"""Models made ready for CTranslate2: once, kept in the plugin's folder."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import filelock

from jackfield import JackfieldError
from jackfield_plugins.translation.interpreter import search_path
from jackfield_plugins.translation.opus import TOKENIZERS

LONGEST = 1800.0
"""Seconds that converting a model may take."""
NEEDED = ("torch", "transformers")
INSTALL = "pip install 'jackfield[transformers]'"


class Converted:
    """Converted models by the folders they were made from.

    Args:
        kept: where they are kept.
    """

    def __init__(self, kept: Path, log: logging.Logger) -> None:
        self._kept = kept
        self._log = log

    def has(self, folder: Path) -> bool:
        """Whether a model has been converted already."""
        return self._place(folder).is_dir()

    def of(self, folder: Path) -> Path:
        """The converted model; makes it if it is not there, which takes some ten seconds.

        Raises:
            JackfieldError: what converts is not installed, or failed.
        """
        place = self._place(folder)
        if place.is_dir():
            return place
        lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if lacking:
            raise JackfieldError(
                f"The model {folder.name!r} has to be converted once, which needs "
                f"{' and '.join(lacking)}.",
                hint=f"{INSTALL} (afterwards they may be removed again)",
            )
        self._kept.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{place}.lock"):
            if not place.is_dir():
                self._make(folder, place)
        return place

    def _make(self, folder: Path, place: Path) -> None:
        started = time.monotonic()
        self._log.info("converting %s for CTranslate2", folder)
        with tempfile.TemporaryDirectory(dir=self._kept, prefix="unfinished-") as unfinished:
            made = Path(unfinished, "model")
            program = [sys.executable, "-m", "jackfield_plugins.translation.convert"]
            try:
                done = subprocess.run(
                    [*program, str(folder), str(made)],
                    capture_output=True,
                    timeout=LONGEST,
                    check=False,
                    env={**os.environ, "PYTHONPATH": search_path(), "HF_HUB_OFFLINE": "1"},
                )
            except subprocess.TimeoutExpired as error:
                raise JackfieldError(
                    f"Converting {folder.name!r} took longer than {LONGEST / 60:.0f} minutes."
                ) from error
            if done.returncode:
                words = done.stderr.decode(errors="replace").strip().splitlines()
                self._log.warning("converting %s: %s", folder, "\n".join(words))
                raise JackfieldError(
                    f"The model {folder.name!r} could not be converted: "
                    f"{words[-1] if words else f'code {done.returncode}'}",
                    hint="If its files are damaged, fetch it again.",
                )
            for name in TOKENIZERS:
                if not (made / name).is_file():
                    shutil.copyfile(folder / name, made / name)
            made.rename(place)
        self._log.info("converted %s in %.1f s", folder, time.monotonic() - started)

    def _place(self, folder: Path) -> Path:
        """Its name tells the folder, and the sizes and times of the weights in it."""
        weights = sorted((*folder.glob("*.safetensors"), *folder.glob("*.bin")))
        stamp = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in weights]
        digest = hashlib.sha256(repr((str(folder), stamp)).encode()).hexdigest()[:12]
        return self._kept / f"{folder.name}-{digest}"
