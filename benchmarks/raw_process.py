"""A bare library in a process of its own, asked over its pipes: one JSON line in, one out."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from typing import Any

from benchmarks.last_words import last_words
from benchmarks.setting import Setting


class RawProcess(AbstractContextManager["RawProcess"]):
    """Runs a module of this folder, which says one line when it is ready."""

    def __init__(self, module: str, setting: Setting, *arguments: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=setting.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._answer()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._errors.close()

    def ask(self, **question: Any) -> dict[str, Any]:
        """An answer; seconds in it are measured inside the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the bare library's process ended: {last_words(self._errors)}")
        answer: dict[str, Any] = json.loads(line)
        return answer
