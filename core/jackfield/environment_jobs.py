"""Environments being made in the background, and all that there are for a page to show."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

import msgspec

from jackfield.environments import EnvironmentRecord, Environments, State, Wanted
from jackfield.errors import JackfieldError, NotFound
from jackfield.isolation import Isolations
from jackfield.manager import PluginManager

KEPT_LINES = 200


class EnvironmentJob(msgspec.Struct):
    """The making of an environment, running or ended.

    Attributes:
        lines: the last that pip and the others said.
        error, hint: why it failed and what to do.
        started, ended: seconds since 1970; ended is 0 while it runs.
    """

    name: str
    what: Literal["make", "repair"]
    state: Literal["running", "done", "failed"] = "running"
    lines: list[str] = msgspec.field(default_factory=list)
    error: str = ""
    hint: str = ""
    started: float = msgspec.field(default_factory=time.time)
    ended: float = 0.0

    def say(self, line: str) -> None:
        """Take note of a line."""
        self.lines = [*self.lines, line][-KEPT_LINES:]


class ShownEnvironment(msgspec.Struct, frozen=True):
    """An environment, made or not, with what uses it.

    Attributes:
        size: bytes on disk.
        loaders: enabled loaders whose models run in it.
        models: models that run in it now.
        job: its making since the start of this process, running or ended.
    """

    name: str
    state: State
    requirements: tuple[str, ...]
    size: int
    path: str
    loaders: tuple[str, ...]
    models: tuple[str, ...]
    job: EnvironmentJob | None = None


class EnvironmentJobs:
    """Shows environments, and makes them one thread each. For any thread."""

    def __init__(
        self, environments: Environments, plugins: PluginManager, isolations: Isolations
    ) -> None:
        self._environments = environments
        self._plugins = plugins
        self._isolations = isolations
        self._lock = threading.Lock()
        self._jobs: dict[str, EnvironmentJob] = {}

    def list(self) -> list[ShownEnvironment]:
        """All that are there or that an enabled loader will need, by name."""
        wanted = self.wanted()
        shown = []
        for name in sorted({*self._environments.names(), *wanted}):
            with suppress(NotFound):  # it was removed meanwhile
                shown.append(self._shown(name, wanted))
        return shown

    def get(self, name: str) -> ShownEnvironment:
        """One of them.

        Raises:
            NotFound: there is none, and no enabled loader needs one of this name.
        """
        return self._shown(name, self.wanted())

    def wanted(self) -> dict[str, Wanted]:
        """The environments of enabled loaders and of isolated distributions, by name."""
        found = {one.name: one for one, _ in self._by_loader()}
        named = {one.distribution.partition("==")[0] for one in found.values()}
        for isolated in self._isolations.list():
            if isolated.name not in named and isolated.packages:  # its plugin is disabled
                found[isolated.name] = Wanted.for_distribution(isolated)
        return found

    def start(self, name: str, what: Literal["make", "repair"]) -> EnvironmentJob:
        """Begin to make an environment: if it is not there and right, or in any case.

        One that is being made already is returned.

        Raises:
            NotFound: no loader needs one of this name.
            InvalidRequest: it is to be repaired, and models run in it.
        """
        wanted = self.find(name)
        with self._lock:
            running = self._jobs.get(name)
            if running is not None and running.state == "running":
                return running
            if what == "repair":
                self._environments.refuse_used(name, "be made anew")
            job = self._jobs[name] = EnvironmentJob(name, what)
            # A daemon: pip ends with the server, and what is half made is never used.
            threading.Thread(
                target=self._work, args=(job, wanted), name=f"make {name}", daemon=True
            ).start()
        return job

    def find(self, name: str) -> Wanted:
        """What an environment is to be.

        Raises:
            NotFound: no loader needs one of this name.
        """
        wanted = self.wanted()
        if name not in wanted:
            have = f"Those that are: {', '.join(wanted)}." if wanted else "No enabled loader does."
            raise NotFound(f"No loader runs in an environment {name!r}.", hint=have)
        return wanted[name]

    def remove(self, name: str) -> None:
        """Delete an environment.

        Raises:
            NotFound: there is none.
            InvalidRequest: it is being made, or models run in it.
        """
        self._environments.remove(name)
        with self._lock:
            self._jobs.pop(name, None)

    def _work(self, job: EnvironmentJob, wanted: Wanted) -> None:
        make = self._environments.make if job.what == "repair" else self._environments.ensure
        try:
            make(wanted, job.say)
            job.state = "done"
        except JackfieldError as error:
            job.error, job.hint = error.message, error.hint
        finally:
            job.ended = time.time()
            if job.state != "done":
                job.error = job.error or "It ended unexpectedly; the server's log says more."
                job.state = "failed"

    def _by_loader(self) -> Iterator[tuple[Wanted, str]]:
        for name, loader in self._plugins.loaders().items():
            wanted = self._environments.wanted(loader)
            if wanted is not None:
                yield wanted, name

    def _shown(self, name: str, wanted: dict[str, Wanted]) -> ShownEnvironment:
        want = wanted.get(name)
        try:
            record = self._environments.get(name, want)
        except NotFound:
            if want is None:
                raise
            record = EnvironmentRecord(name, "not made", want.requirements, 0, "")
        return ShownEnvironment(
            name=name,
            state=record.state,
            requirements=record.requirements or (want.requirements if want else ()),
            size=record.size,
            path=record.path,
            loaders=tuple(loader for one, loader in self._by_loader() if one.name == name),
            models=self._environments.users(name) if record.path else (),
            job=self._jobs.get(name),
        )
