"""Fetching models: one job each, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from uuid import uuid4

import msgspec

from jackfield.catalog.catalog import Catalog
from jackfield.catalog.model import SIDECAR, CatalogModel, Sidecar
from jackfield.catalog.source import ModelSource, Offer
from jackfield.errors import DiskFull, DownloadError, InvalidRequest, JackfieldError, NotFound
from jackfield.manager import PluginManager
from jackfield.paths import Paths

State = Literal["queued", "running", "done", "failed", "cancelled"]
PARTIAL = ".partial"
AT_ONCE = 2
RESERVE = 100_000_000
"""Bytes of disk to leave free."""


class Download(msgspec.Struct):
    """A download, running or ended.

    Attributes:
        done, total: bytes; total is 0 while it is unknown.
        stage: a word for what is being done.
        bytes_per_second: over the last seconds.
        error, hint: why it failed and what to do.
        model: the model's name here, once it is there.
    """

    id: str
    source: str
    offer: str
    state: State = "queued"
    done: int = 0
    total: int = 0
    stage: str = ""
    bytes_per_second: float = 0.0
    error: str = ""
    hint: str = ""
    model: str = ""
    started: float = msgspec.field(default_factory=time.time)


class Downloads:
    """Starts, watches and cancels downloads; two run at once, others wait."""

    def __init__(self, paths: Paths, catalog: Catalog, plugins: PluginManager) -> None:
        self._paths = paths
        self._catalog = catalog
        self._plugins = plugins
        self._lock = threading.Lock()
        self._places = threading.Semaphore(AT_ONCE)
        self._jobs: dict[str, Download] = {}
        self._cancelled: set[str] = set()

    def offers(self) -> list[tuple[str, Offer]]:
        """What all sources offer, each with its source's name."""
        sources = self._plugins.model_sources()
        return [(name, offer) for name, source in sources.items() for offer in source.offers()]

    def find_offer(self, name: str) -> tuple[str, Offer]:
        """The source and offer of a name.

        Raises:
            NotFound: nobody offers it.
        """
        for source, offer in self.offers():
            if offer.name == name:
                return source, offer
        names = ", ".join(offer.name for _, offer in self.offers()) or "nothing"
        raise NotFound(f"No source offers a model {name!r}.", hint=f"There is: {names}.")

    def start(self, source: str, offer: str) -> Download:
        """Begin a download in the background; one of the same model that runs is returned.

        Raises:
            NotFound: no such source or offer.
            InvalidRequest: the model is here already.
        """
        found, wanted = self._offer(source, offer)
        with self._lock:
            for job in self._jobs.values():
                if job.offer == offer and job.state in ("queued", "running"):
                    return job
            self._refuse_known(offer)
            job = Download(uuid4().hex[:12], source, offer, total=wanted.size)
            self._jobs[job.id] = job
        thread = threading.Thread(target=self._work, args=(job, found, wanted), daemon=True)
        thread.start()
        return job

    def run(
        self, source: str, offer: str, progress: Callable[[Download], None] = lambda job: None
    ) -> CatalogModel:
        """Fetch a model and wait for it.

        Raises:
            JackfieldError: it could not be fetched.
        """
        found, wanted = self._offer(source, offer)
        self._refuse_known(offer)
        job = Download(uuid4().hex[:12], source, offer, total=wanted.size)
        self._fetch(job, found, wanted, lambda: progress(job))
        return self._catalog.find(job.model)

    def list(self) -> list[Download]:
        """All downloads since the start, newest first."""
        return sorted(self._jobs.values(), key=lambda job: -job.started)

    def get(self, id_: str) -> Download:
        """One download.

        Raises:
            NotFound: there is none.
        """
        if id_ not in self._jobs:
            raise NotFound(f"There is no download {id_!r}.")
        return self._jobs[id_]

    def cancel(self, id_: str) -> None:
        """Stop a download; what has arrived is thrown away."""
        job = self.get(id_)
        self._cancelled.add(job.id)
        if job.state == "queued":
            job.state = "cancelled"

    def clean(self) -> None:
        """Remove what killed downloads left; for the one server of the data folder."""
        shutil.rmtree(self._paths.models / PARTIAL, ignore_errors=True)

    def _offer(self, source: str, offer: str) -> tuple[ModelSource, Offer]:
        sources = self._plugins.model_sources()
        if source not in sources:
            raise NotFound(
                f"There is no source {source!r}.", hint=f"There is: {', '.join(sources)}."
            )
        for one in sources[source].offers():
            if one.name == offer:
                return sources[source], one
        raise NotFound(f"The source {source!r} does not offer {offer!r}.")

    def _refuse_known(self, offer: str) -> None:
        if (self._paths.models / offer).exists():
            raise InvalidRequest(
                f"The model {offer!r} is here already.",
                hint=f"To fetch it anew, remove it first: jackfield models remove {offer}",
            )

    def _work(self, job: Download, source: ModelSource, offer: Offer) -> None:
        with self._places:
            if job.state == "cancelled":
                return
            try:
                self._fetch(job, source, offer, lambda: None)
            except JackfieldError as error:
                job.error, job.hint = error.message, error.hint

    def _fetch(
        self, job: Download, source: ModelSource, offer: Offer, tell: Callable[[], None]
    ) -> None:
        """Fetch into a temporary folder and rename that when all is right."""
        job.state = "running"
        folder = self._paths.models / PARTIAL / f"{offer.name}-{os.getpid()}-{job.id}"

        def cancelled() -> bool:
            return job.id in self._cancelled

        try:
            self._check_room(offer)
            folder.mkdir(parents=True)
            fetched = source.fetch(offer, folder, _progress(job, tell), cancelled)
            if cancelled():
                job.state = "cancelled"
                return
            self._keep(job, source, offer, folder, fetched)
            job.state = "done"
        except OSError as error:
            job.state = "failed"
            raise _explained(error, offer) from error
        except BaseException as error:
            job.state = "cancelled" if cancelled() else "failed"
            if isinstance(error, JackfieldError | KeyboardInterrupt):
                raise
            raise DownloadError(
                f"The source {source.name!r} failed to fetch {offer.name!r}: {error}."
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()

    def _keep(
        self, job: Download, source: ModelSource, offer: Offer, folder: Path, fetched: Path
    ) -> None:
        """Put the model's folder in its place, with a note of where it came from."""
        made = folder / "model"
        made.mkdir()
        fetched.rename(made / fetched.name)
        note = Sidecar(name=offer.name, source=source.name, license=offer.license)
        (made / SIDECAR).write_bytes(msgspec.json.format(msgspec.json.encode(note)))
        made.rename(self._paths.models / offer.name)
        job.model = offer.name

    def _check_room(self, offer: Offer) -> None:
        needed = offer.size + offer.installed_size + RESERVE
        free = shutil.disk_usage(self._paths.models).free
        if free < needed:
            raise DiskFull(
                f"{offer.name!r} needs {needed / 1e6:.0f} MB of disk and {free / 1e6:.0f} MB are "
                f"free in {str(self._paths.models)!r}.",
                hint="Free some space, or move the data folder to another disk.",
                needed=needed,
                free=free,
                path=str(self._paths.models),
            )


def _progress(job: Download, tell: Callable[[], None]) -> Callable[[int, int, str], None]:
    """Note progress in the job; the speed is that of the present stage."""
    began: dict[str, tuple[float, int]] = {}

    def progress(done: int, total: int, stage: str) -> None:
        start, first = began.setdefault(stage, (time.monotonic(), done))
        seconds = time.monotonic() - start
        job.done, job.total, job.stage = done, total, stage
        job.bytes_per_second = (done - first) / seconds if seconds > 0.2 else 0.0
        tell()

    return progress


def _explained(error: OSError, offer: Offer) -> JackfieldError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            f"The disk became full while {offer.name!r} was being fetched; nothing of it was kept.",
            hint="Free some space and fetch it again.",
        )
    return DownloadError(f"{offer.name!r} could not be written: {error.strerror}.")
