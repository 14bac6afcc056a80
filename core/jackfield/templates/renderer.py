"""The host's side of the processes in which chat templates are rendered."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from jackfield.errors import TemplateError

SANDBOX = Path(__file__).with_name("sandbox.py")
SECONDS = 2.0
"""What a template may take."""
START_SECONDS = 60.0
"""What a process may take to be ready, on a machine that is busy."""
MOST = 2
"""Processes at once, so that one slow template does not hold up all turns."""


class Stopped(Exception):
    """A process was ended because its time was over."""


class Gone(Exception):
    """A process ended by itself."""


class Process:
    """One process; it answers one request at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SANDBOX)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._ready = False

    def ask(self, request: bytes) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            Stopped: it took too long; the process is gone.
            Gone: the process ended.
        """
        if not self._ready:
            self._exchange(b"", START_SECONDS)
            self._ready = True
        answer: dict[str, Any] = json.loads(self._exchange(request, SECONDS))
        return answer

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not sent cannot be
                    pipe.close()

    def _exchange(self, request: bytes, seconds: float) -> bytes:
        """Send a request and wait for its answer, a line."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with suppress(OSError):  # it has ended: nothing can be read then
            stdin.write(request)
            stdin.flush()
        began = time.monotonic()
        with _alarm(stdout, seconds, self._process.kill):
            line: bytes = stdout.readline()
        if line.endswith(b"\n"):
            return line
        raise Stopped if time.monotonic() - began >= seconds else Gone


if sys.platform == "win32":

    @contextmanager
    def _alarm(_answers: IO[bytes], seconds: float, stop: Callable[[], None]) -> Iterator[None]:
        """Call ``stop`` if the answer is not there in time."""
        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

else:

    @contextmanager
    def _alarm(answers: IO[bytes], seconds: float, stop: Callable[[], None]) -> Iterator[None]:
        """Call ``stop`` if the answer is not there in time; spares the thread of a timer."""
        poll = select.poll()
        poll.register(answers, select.POLLIN)
        if not poll.poll(seconds * 1000):
            stop()
        yield


class Renderer:
    """Renders templates outside the server's own process; its methods may be called by threads."""

    def __init__(self) -> None:
        self._idle: list[Process] = []
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(MOST)
        weakref.finalize(self, _end_all, self._idle)

    def warm(self) -> None:
        """Start a process if there is none, and do not wait for it."""
        with self._lock:
            if not self._idle:
                self._idle.append(Process())

    def render(self, name: str, source: str, values: Mapping[str, Any]) -> str:
        """The text of a template.

        Args:
            name: what the template is called, for messages.

        Raises:
            TemplateError: it is broken, refuses the values, or overruns its limits.
        """
        request = json.dumps({"source": source, "values": values}).encode() + b"\n"
        with self._room:
            answer = self._answer(name, request)
        if "text" in answer:
            return str(answer["text"])
        raise _error(name, answer)

    def _answer(self, name: str, request: bytes) -> dict[str, Any]:
        """Ask a process; once more if one that was waiting turns out to have ended meanwhile."""
        while True:
            with self._lock:
                process, waiting = (self._idle.pop(), True) if self._idle else (Process(), False)
            try:
                answer = process.ask(request)
            except Stopped as error:
                process.end()
                raise TemplateError(
                    f"The chat template {name!r} took longer than {SECONDS:g} seconds and was "
                    "stopped.",
                    hint=CHOOSE,
                ) from error
            except Gone as error:
                process.end()
                if waiting:
                    continue
                raise TemplateError(
                    f"The chat template {name!r} brought down the process that rendered it: it "
                    "takes too much memory or time.",
                    hint=CHOOSE,
                ) from error
            with self._lock:
                self._idle.append(process)
            return answer


CHOOSE = "Choose another template for this model on the Models page, or in the chat."


def _error(name: str, answer: Mapping[str, Any]) -> TemplateError:
    """What a process said was wrong."""
    said = str(answer["message"]).rstrip(".")
    ways = {
        "syntax": f"The chat template {name!r} has a mistake in line {answer.get('line')}: {said}.",
        "refused": f"The chat template {name!r} refuses this conversation: {said}.",
    }
    words = ways.get(answer["error"], f"The chat template {name!r} fails: {said}.")
    return TemplateError(words, hint=CHOOSE, reason=answer["error"])


def _end_all(processes: list[Process]) -> None:
    for process in processes:
        process.end()
