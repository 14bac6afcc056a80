"""Long work in threads: its progress can be seen, and it can be cancelled."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Literal
from uuid import uuid4

from jackfield import JackfieldError, NotFound

KEPT = 50
"""Ended jobs that are remembered."""
LOOK = 0.2
"""Seconds between looks whether a job that waits was cancelled."""
LOG = logging.getLogger("jackfield.knowledge")


class Cancelled(Exception):
    """The user has cancelled the job."""


class Job:
    """One piece of work.

    Attributes:
        what: what it does, for the user.
        folder: the folder that it brings up to date, or "".
        total: how many parts it has, 0 before that is known.
        finished: parts that are finished, in fractions.
        current: the part it is at.
        failures: what went wrong with single parts, in sentences.
        error: why the whole failed, "" if it did not.
        result: what came of it.
        interrupted: it was cancelled as the program ends, and is to be taken up again.
    """

    def __init__(self, kind: str, collection: str, what: str, folder: str = "") -> None:
        self.id = uuid4().hex[:12]
        self.kind = kind
        self.collection = collection
        self.what = what
        self.folder = folder
        self.state: Literal["waiting", "running", "done", "cancelled", "failed"] = "waiting"
        self.total = 0
        self.finished = 0.0
        self.current = ""
        self.failures: list[str] = []
        self.error = ""
        self.result: dict[str, Any] = {}
        self.interrupted = False
        self.started = time.time()
        self.ended = 0.0
        self._cancelled = threading.Event()
        self._over = threading.Event()

    @property
    def over(self) -> bool:
        """Whether it has ended, well or badly."""
        return self._over.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether it was told to stop; it may still be at a part of its work."""
        return self._cancelled.is_set()

    @property
    def fraction(self) -> float:
        """How much of it is done, 0 to 1."""
        if self.state == "done":
            return 1.0
        return min(1.0, self.finished / self.total) if self.total else 0.0

    def cancel(self) -> None:
        """Stop it; what is finished stays."""
        self._cancelled.set()

    def check(self) -> None:
        """Go on, unless it was cancelled.

        Raises:
            Cancelled: it was.
        """
        if self._cancelled.is_set():
            raise Cancelled

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended; False when the time was too short."""
        return self._over.wait(seconds)

    def work(self, do: Callable[[Job], dict[str, Any]], given_up: Callable[[], None]) -> None:
        """Do the work in this thread; never raises.

        Args:
            given_up: called instead if it was cancelled before it began.
        """
        try:
            if self.cancelled:
                given_up()
            self.check()
            self.state = "running"
            self.result = do(self)
            self.state = "done"
        except Cancelled:
            self.state = "cancelled"
        except JackfieldError as error:
            self.state, self.error = "failed", str(error)
        except Exception as error:
            LOG.exception("the job %r failed", self.what)
            self.state, self.error = "failed", f"{type(error).__name__}: {error}"
        finally:
            self.ended = time.time()
            self.current = ""
            self._over.set()

    def described(self) -> dict[str, Any]:
        """As the API and the command line tell it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "collection": self.collection,
            "what": self.what,
            "state": self.state,
            "total": self.total,
            "done": round(self.finished, 2),
            "current": self.current,
            "failures": list(self.failures),
            "error": self.error,
            "result": self.result,
            "seconds": round((self.ended or time.time()) - self.started, 2),
        }


class Jobs:
    """All jobs. Those that write follow one another; others run at once."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._writing: list[Job] = []  # the first is at work, the others wait
        self._next = threading.Condition(self._lock)

    def start(
        self,
        job: Job,
        do: Callable[[Job], dict[str, Any]],
        *,
        writes: bool = True,
        given_up: Callable[[], None] = lambda: None,
    ) -> Job:
        """Begin a job in a thread of its own; one that writes waits for those before it."""
        with self._lock:
            self._jobs[job.id] = job
            if writes:
                self._writing.append(job)
            over = [one.id for one in self._jobs.values() if one.over]
            for old in over[: max(0, len(over) - KEPT)]:
                del self._jobs[old]

        def run() -> None:
            if not writes:
                job.work(do, given_up)
                return
            with self._next:
                while self._writing[0] is not job and not job.cancelled:
                    self._next.wait(LOOK)
            try:
                job.work(do, given_up)
            finally:
                with self._next:
                    self._writing.remove(job)
                    self._next.notify_all()

        threading.Thread(target=run, name=f"knowledge-{job.kind}", daemon=True).start()
        return job

    def get(self, number: str) -> Job:
        """A job.

        Raises:
            NotFound: it is not known (any more).
        """
        with self._lock:
            if number in self._jobs:
                return self._jobs[number]
        raise NotFound(f"There is no job {number!r}.", hint="It may have ended long ago.")

    def of(self, collection: str = "") -> list[Job]:
        """Jobs of a collection, or all; the newest first."""
        with self._lock:
            jobs = [one for one in self._jobs.values() if collection in ("", one.collection)]
        return sorted(jobs, key=lambda job: -job.started)

    def stop(self) -> None:
        """Interrupt all."""
        for job in self.of():
            job.interrupted = not job.cancelled
            job.cancel()
