"""An engine in a process of its own: the caller's side of it, and the child's.

What crashes there ends one request, never the server, and the memory comes back when it ends.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import IO, Any, NoReturn

import msgspec

from jackfield import InvalidRequest, JackfieldError, NotFound

LOOK = 0.2  # seconds between looks whether the caller has gone
GRACE = 2.0  # seconds that a request nobody waits for any more may still take
LINES = 5  # of what a crashed child wrote, for the error
HEADER = 4  # bytes of a frame's length


class EngineDied(JackfieldError):
    """An engine's process ended under a request; the next one starts it anew."""

    status = 503
    code = "engine_died"


class Failure(msgspec.Struct, frozen=True):
    """An error on its way from the child."""

    kind: str
    message: str
    hint: str = ""
    details: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True):
    """What a child sends for a request."""

    value: Any = None
    failure: Failure | None = None


class ChildProcess:
    """Runs ``python -m MODULE ARGUMENTS...`` when first asked, until it has been idle for long.

    Requests are answered one after another. A caller in a thread of anyio that is cancelled leaves
    at once; if its request takes much longer, the process is ended.

    Args:
        title: the engine's, for errors.
        idle: asks for the seconds without a request after which it ends.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], *, title: str, idle: Callable[[], float]
    ) -> None:
        self._command = [sys.executable, "-P", "-m", module, *arguments]
        self._title = title
        self._idle = idle
        self._turn = threading.Lock()
        self._running: _Running | None = None
        self._timer: threading.Timer | None = None

    @property
    def pid(self) -> int:
        """The process's id, 0 while there is none."""
        running = self._running
        return running.process.pid if running is not None else 0

    def ask(self, **request: Any) -> Any:
        """Send a request and wait for its answer.

        Raises:
            JackfieldError: what the engine raised, or EngineDied.
        """
        while not self._turn.acquire(timeout=LOOK):
            leave_if_cancelled()
        try:
            self._rest(None)
            return self._answered(self._start(), msgspec.msgpack.encode(request))
        finally:
            self._rest(self._running)
            self._turn.release()

    def stop(self) -> None:
        """End the process now; a request under way fails."""
        self._rest(None)
        running, self._running = self._running, None
        if running is not None:
            running.end()

    def _start(self) -> _Running:
        running = self._running
        if running is None or running.process.poll() is not None:
            if running is not None:
                running.end()
            running = self._running = _Running(self._command)
        return running

    def _answered(self, running: _Running, request: bytes) -> Any:
        try:
            answer = running.exchange(request)
        except BaseException:  # the caller was cancelled
            self._drop(running)
            raise
        if answer is None:
            words = running.ending()
            self._drop(running)
            raise EngineDied(
                f"{self._title} stopped in the middle of its work: {words}.",
                hint="It is started anew at the next request.",
            )
        if answer.failure is not None:
            raise _raised(answer.failure)
        return answer.value

    def _drop(self, running: _Running) -> None:
        if not running.at_rest:
            running.end()
            self._running = None

    def _rest(self, running: _Running | None) -> None:
        """Begin to count idle time, or with None stop counting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if running is not None:
            self._timer = threading.Timer(self._idle(), self._tired)
            self._timer.daemon = True
            self._timer.start()

    def _tired(self) -> None:
        if self._turn.acquire(blocking=False):
            try:
                self.stop()
            finally:
                self._turn.release()


class _Running:
    """One process and its pipes. ``at_rest`` tells whether no request is under way."""

    def __init__(self, command: Sequence[str]) -> None:
        self.at_rest = True
        self._last = ""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )
        self._answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="engine answers", daemon=True).start()

    def exchange(self, request: bytes) -> Answer | None:
        """Send a request and wait; None if the process ended."""
        self.at_rest = False
        assert self.process.stdin is not None
        try:
            _write(self.process.stdin, request)
        except OSError:
            return None
        while True:
            try:
                answer = self._answers.get(timeout=LOOK)
            except queue.Empty:
                self._look()
                continue
            self.at_rest = answer is not None
            return answer

    def end(self) -> None:
        """Kill it and wait for its end."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self._log):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:  # what was still to be written has no reader
                continue

    def ending(self) -> str:
        """How it ended, in words, with the last lines it wrote."""
        try:
            code = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return f"it closed its pipe{self._last}"
        return f"{_exit_in_words(code)}{self._last}"

    def _look(self) -> None:
        try:
            leave_if_cancelled()
        except BaseException:  # how anyio says so; wait a little, to spare a new start
            try:
                self.at_rest = self._answers.get(timeout=GRACE) is not None
            except queue.Empty:
                self.at_rest = False
            raise

    def _read(self) -> None:
        """Take answers out of the pipe until it ends."""
        pipe = self.process.stdout
        assert pipe is not None
        decoder = msgspec.msgpack.Decoder(Answer)
        try:
            with pipe:
                while (frame := _frame(pipe)) is not None:
                    self._answers.put(decoder.decode(frame))
        finally:
            self._last = self._last_lines()
            self._answers.put(None)

    def _last_lines(self) -> str:
        try:
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - 4096))
            lines = self._log.read().decode(errors="replace").strip().splitlines()
        except (OSError, ValueError):  # it was closed, as the process was ended on purpose
            return ""
        return "".join(f"\n{line}" for line in lines[-LINES:])


def serve(answer: Callable[[dict[str, Any]], Any]) -> NoReturn:
    """Be the child: answer requests until the pipe ends. Whatever is printed goes to the log."""
    read, write = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def take() -> None:
        while (frame := _frame(read)) is not None:
            requests.put(frame)
        os._exit(0)  # nobody waits for what is being done

    threading.Thread(target=take, daemon=True).start()
    while True:
        _write(write, _answer(answer, requests.get()))


def _answer(answer: Callable[[dict[str, Any]], Any], request: bytes) -> bytes:
    """The frame of an answer, or of an error."""
    try:
        return msgspec.msgpack.encode(Answer(answer(msgspec.msgpack.decode(request))))
    except JackfieldError as error:
        details = {name: str(value) for name, value in error.details.items()}
        failure = Failure(type(error).__name__, error.message, error.hint, details)
    except Exception as error:  # noqa: BLE001 - an engine's own code runs here
        traceback.print_exc()
        failure = Failure("", f"{type(error).__name__}: {error}")
    return msgspec.msgpack.encode(Answer(failure=failure))


def _raised(failure: Failure) -> JackfieldError:
    kinds = {kind.__name__: kind for kind in (InvalidRequest, NotFound)}
    kind = kinds.get(failure.kind, JackfieldError)
    return kind(failure.message, hint=failure.hint, **failure.details)


def _frame(pipe: IO[bytes]) -> bytes | None:
    """The next frame, None at the end of the pipe."""
    header = pipe.read(HEADER)
    if len(header) < HEADER:
        return None
    size = int.from_bytes(header, "big")
    frame = pipe.read(size)
    return frame if len(frame) == size else None


def _write(pipe: IO[bytes], frame: bytes) -> None:
    pipe.write(len(frame).to_bytes(HEADER, "big") + frame)
    pipe.flush()


def leave_if_cancelled() -> None:
    """Raise if the caller is a thread of anyio whose task was cancelled."""
    import anyio.from_thread  # slow to import, and every plugin with an engine imports this module

    try:
        anyio.from_thread.check_cancelled()
    except RuntimeError:  # it is another thread
        return


def _exit_in_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:  # real-time signals have no names of their own
        return f"signal {-code}"
