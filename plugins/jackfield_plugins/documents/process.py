"""The host's side of the processes in which files are read."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from jackfield import InvalidRequest

START_SECONDS = 60.0
"""What a process may take to be ready, on a machine that is busy."""
IDLE_SECONDS = 60.0
"""After which a process that has nothing to do is ended."""
MOST = 2
"""Processes at once."""
READ_BEFORE_RENEWAL = 200
"""Files that one process reads, for libraries leave memory behind."""
LONGEST = 400_000_000
"""Bytes of an answer."""


class Gone(Exception):
    """A process ended before it had answered."""


class Process:
    """One process; it answers one request at a time."""

    def __init__(self, memory: int) -> None:
        self.count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jackfield_plugins.reading", str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
        )

    def ask(self, request: bytes, seconds: float) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            TimeoutError: it took too long; the process is gone.
            Gone: the process ended.
        """
        if not self.count:
            self._exchange(b"", START_SECONDS)
        self.count += 1
        answer: dict[str, Any] = json.loads(self._exchange(request, seconds))
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
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            with suppress(OSError):  # it has ended: nothing can be read then
                stdin.write(request)
                stdin.flush()
            line: bytes = stdout.readline(LONGEST)
        finally:
            timer.cancel()
        if line.endswith(b"\n") and not late.is_set():
            return line
        raise TimeoutError if late.is_set() else Gone


class Reading:
    """Reads files outside the server's own process; its methods may be called by threads.

    Attributes:
        seconds: what a file may take.
        memory: bytes that a process may take, where the operating system can say so.
    """

    def __init__(self, seconds: float = 60.0, memory: int = 2 << 30) -> None:
        self.seconds, self.memory = seconds, memory
        self._idle: list[Process] = []
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(MOST)
        self._timer: threading.Timer | None = None

    def use(self, seconds: float, memory: int) -> None:
        """Take up other limits."""
        self.seconds, self.memory = seconds, memory
        self.close()

    def read(self, kind: str, path: Path, name: str, **more: Any) -> dict[str, Any]:
        """What the process says of a file: the fields of a document.

        Args:
            name: what the user calls it, for messages.

        Raises:
            InvalidRequest: it cannot be read, or not within the limits.
        """
        request = {"kind": kind, "path": str(path.absolute()), "seconds": self.seconds, **more}
        with self._room:
            said = self._answer(name, json.dumps(request).encode() + b"\n")
        if "document" in said:
            document: dict[str, Any] = said["document"]
            return document
        if "refused" in said:
            raise InvalidRequest(f"The file {name!r} {said['refused']}.", hint=said["hint"])
        raise InvalidRequest(
            f"The file {name!r} cannot be read: it is damaged, or not what its name says "
            f"({said['failed']}).",
            hint="Open it with its own program and save it anew.",
        )

    def close(self) -> None:
        """End the processes that have nothing to do."""
        with self._lock:
            idle, self._idle = self._idle, []
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for process in idle:
            process.end()

    def _answer(self, name: str, request: bytes) -> dict[str, Any]:
        """Ask a process; once more if one that was waiting turns out to have ended meanwhile."""
        while True:
            with self._lock:
                waiting = bool(self._idle)
                process = self._idle.pop() if waiting else Process(self.memory)
            try:
                answer = process.ask(request, self.seconds)
            except TimeoutError as error:
                process.end()
                raise InvalidRequest(
                    f"The file {name!r} took longer than {self.seconds:g} seconds to read and was "
                    "given up.",
                    hint="Split it, or allow more time in the plugin's options.",
                ) from error
            except (Gone, ValueError) as error:
                process.end()
                if waiting:
                    continue
                raise InvalidRequest(
                    f"The file {name!r} brought down the process that read it: it is damaged, or "
                    "takes more memory or time than is allowed.",
                    hint="Open it with its own program and save it anew.",
                ) from error
            except BaseException:
                process.end()
                raise
            self._keep(process)
            return answer

    def _keep(self, process: Process) -> None:
        """Let a process wait for the next file, for a while."""
        if process.count >= READ_BEFORE_RENEWAL:
            process.end()
            return
        with self._lock:
            self._idle.append(process)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(IDLE_SECONDS, self.close)
            self._timer.daemon = True
            self._timer.start()
