"""The host's side of the process that translates."""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from jackfield import JackfieldError
from jackfield_plugins.translation import frames

STARTING = 120.0
"""Seconds that the process may take to start and to load a model."""
EACH = 20.0
"""Seconds more that each sentence may take."""
LOOK = 0.1
"""Seconds between two looks whether a process that was killed has been given up."""
LAST_WORDS = 400
"""Characters of what an ended process had printed that are shown."""


class Interpreter:
    """Starts the process when it is needed, and ends it when it was not for a while.

    One order at a time is worked on; others wait. A process that ends by itself fails its order,
    and the next order starts another.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._timer: threading.Timer | None = None
        self._used = 0.0

    @property
    def process_id(self) -> int:
        """Of the process; 0 while there is none."""
        child = self._child
        return child.process_id if child is not None else 0

    def ask(self, order: frames.Order, idle: float) -> list[str]:
        """Have sentences translated.

        Args:
            idle: seconds after which an unused process is ended.

        Raises:
            JackfieldError: the engine failed, its process ended, or it took too long.
        """
        with self._lock:
            if self._child is None:
                self._child = _Child(self._log)
            try:
                answer = self._child.ask(order)
            except JackfieldError:
                self._end()
                raise
            self._used = time.monotonic()
            if self._timer is None:
                self._wait(idle)
        if answer.error:
            raise JackfieldError(
                f"The model in {order.model!r} could not translate: {answer.error}.",
                hint="If its files are damaged, remove that folder: it is made anew.",
            )
        return answer.texts

    def close(self) -> None:
        """End the process when it has done the order under way."""
        with self._lock:
            self._end()

    def stop(self) -> None:
        """End the process now; orders under way fail."""
        while not self._lock.acquire(timeout=LOOK):
            child = self._child
            if child is not None:
                child.kill()
        try:
            self._end()
        finally:
            self._lock.release()

    def _wait(self, idle: float) -> None:
        """Look again when the process may have been idle for long enough."""
        left = max(0.0, self._used + idle - time.monotonic())
        self._timer = threading.Timer(left, self._end_if_idle, [idle])
        self._timer.daemon = True
        self._timer.start()

    def _end_if_idle(self, idle: float) -> None:
        with self._lock:
            if self._child is None:
                return
            if time.monotonic() - self._used >= idle:
                self._end()
            else:
                self._wait(idle)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """One running process; what it prints goes to a file that vanishes with it."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._printed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jackfield_plugins.translation.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            env={**os.environ, "PYTHONPATH": search_path()},
        )
        self._answers: queue.SimpleQueue[frames.Answer | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="translations", daemon=True).start()

    @property
    def process_id(self) -> int:
        return self._process.pid

    def ask(self, order: frames.Order) -> frames.Answer:
        """Send an order and wait for its answer.

        Raises:
            JackfieldError: the process has ended, or takes too long.
        """
        assert self._process.stdin is not None
        try:
            frames.write(self._process.stdin, order)
            answer = self._answers.get(timeout=STARTING + EACH * len(order.texts))
        except OSError:
            answer = None
        except queue.Empty as error:
            raise JackfieldError(
                f"The process that translates has not answered for {STARTING:.0f} seconds; it was "
                "ended.",
                hint="It is started again at the next translation.",
            ) from error
        if answer is None:
            raise self._ended()
        return answer

    def kill(self) -> None:
        """Kill the process; from any thread."""
        self._process.kill()

    def end(self) -> None:
        """End the process, by force: it has nothing to save."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._printed):
            if stream is not None:
                try:
                    stream.close()
                except OSError as error:  # what could not be sent any more
                    self._log.debug("closing: %s", error)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            while True:
                try:
                    self._answers.put(frames.read(stream, frames.Answer))
                except (EOFError, OSError, ValueError):
                    self._answers.put(None)
                    return

    def _ended(self) -> JackfieldError:
        code = self._process.wait()
        self._printed.seek(0)
        words = self._printed.read().decode(errors="replace").strip()[-LAST_WORDS:]
        how = f"signal {-code}" if code < 0 else f"code {code}"
        self._log.warning("the process that translates ended (%s): %s", how, words)
        said = f" Its last words: {words.splitlines()[-1]}" if words else ""
        return JackfieldError(
            f"The process that translates ended unexpectedly ({how}).{said}",
            hint="It is started again at the next translation.",
        )


def search_path() -> str:
    """Where this package was found first, so that the process finds the same."""
    here = str(Path(__file__).parents[2])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH", "")])])
