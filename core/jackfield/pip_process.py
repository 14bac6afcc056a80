"""pip, run in a process of its own with the interpreter that runs Jackfield."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jackfield.errors import DiskFull, PluginError

Progress = Callable[[str], None]
"""Told the lines that pip prints, but for those that say that something is there already."""

KEPT_LINES = 40
DULL = ("Requirement already satisfied", "Looking in ")
"""Beginnings of lines that nobody needs to read."""


class Pip:
    """Runs pip, one at a time on a data folder.

    Args:
        home: the data folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    def plan(self, arguments: Sequence[str], progress: Progress) -> list[dict[str, Any]]:
        """What ``pip install`` with these arguments would install: its report's entries.

        Raises:
            PluginError: pip refused or failed.
        """
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            self.run(
                ["install", "--dry-run", "--report", str(report), *arguments], progress, "plan"
            )
            found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
            return list(found["install"])

    def run(self, arguments: Sequence[str], progress: Progress, what: str) -> None:
        """Run pip to its end, passing on what it prints.

        Args:
            what: what is being done, for the error: ``install``, ``uninstall``, ``plan``.

        Raises:
            PluginError: it failed; ``details['log']`` has its last lines.
            DiskFull: there was no room.
        """
        common = ["--no-input", "--no-color", "--disable-pip-version-check"]
        import filelock

        command = [sys.executable, "-P", "-u", "-m", "pip", *common, *arguments]
        lines: list[str] = []
        with (
            filelock.FileLock(self._home / "pip.lock"),
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            ) as process,
        ):
            try:
                for line in process.stdout or ():
                    if line.strip() and not line.startswith(DULL):
                        lines.append(line.rstrip())
                        progress(line.rstrip())
                process.wait()
            finally:  # whoever follows it may have been interrupted
                if process.poll() is None:
                    process.terminate()
        if process.returncode:
            raise self._failure(lines, arguments[-1], what)

    def _failure(self, lines: list[str], subject: str, what: str) -> PluginError | DiskFull:
        log = lines[-KEPT_LINES:]
        if any("No space left on device" in line for line in lines):
            return DiskFull(
                f"There is not enough room on the disk for {subject!r}.",
                hint="Make room and try again.",
                path=sys.prefix,
                log=log,
            )
        said = [line.partition("ERROR: ")[2] for line in lines if line.startswith("ERROR: ")]
        words = said[-1] if said else lines[-1] if lines else "it said nothing"
        if any("No matching distribution" in line for line in said):
            hint = "Check the name, and that the package index can be reached."
        else:
            hint = "Nothing was changed." if what == "plan" else "See what pip printed."
        return PluginError(f"pip failed on {subject!r}: {words}", hint=hint, log=log)
