"""Fetching models: one job each, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Literal
from uuid import uuid4

import msgspec

from jackfield.catalog.catalog import Catalog
from jackfield.catalog.model import SIDECAR, CatalogModel, Sidecar, describe
from jackfield.catalog.source import ModelSource, Offer
from jackfield.catalog.workplace import clean, workplace
from jackfield.errors import DiskFull, DownloadError, InvalidRequest, JackfieldError, NotFound
from jackfield.manager import PluginManager
from jackfield.paths import Paths

State = Literal["queued", "running", "done", "failed", "cancelled"]
AT_ONCE = 2
CHUNK = 1 << 20
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
"""What an offer may be called: it becomes a folder."""
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
    """Starts, watches and cancels downloads; two run at once, others wait.

    A model arrives in a hidden folder beside the models, is checked there, and is renamed into its
    place as the last step, so that nothing half-fetched is ever taken for a model.
    """

    def __init__(self, paths: Paths, catalog: Catalog, plugins: PluginManager) -> None:
        self._paths = paths
        self._catalog = catalog
        self._plugins = plugins
        self._lock = threading.Lock()
        self._places = threading.Semaphore(AT_ONCE)
        self._jobs: dict[str, Download] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._cancelled: set[str] = set()

    def offers(self) -> list[tuple[str, Offer]]:
        """What all sources offer, each with its source's name."""
        return [
            (name, offer)
            for name, source in self._plugins.model_sources().items()
            for offer in _offers(source)
        ]

    def find_offer(self, name: str) -> tuple[str, Offer]:
        """The source and offer of a name, in any case.

        Raises:
            NotFound: nobody offers it; ``details['nearest']`` is the most similar name.
        """
        offers = self.offers()
        for source, offer in offers:
            if offer.name == name.lower():
                return source, offer
        names = [offer.name for _, offer in offers]
        nearest = next(iter(get_close_matches(name.lower(), names, n=1, cutoff=0.4)), None)
        meant = f"Did you mean {nearest!r}? " if nearest else ""
        hint = f"{meant}There is: {', '.join(names) or 'nothing'}."
        raise NotFound(f"No source offers a model {name!r}.", hint=hint, name=name, nearest=nearest)

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
            thread = threading.Thread(
                target=self._work, args=(job, found, wanted), name=f"fetch {offer}", daemon=True
            )
            self._threads[job.id] = thread
            thread.start()
        return job

    def run(
        self, source: str, offer: str, progress: Callable[[Download], None] = lambda job: None
    ) -> CatalogModel:
        """Fetch a model and wait for it.

        Raises:
            JackfieldError: it could not be fetched, or is here already.
        """
        found, wanted = self._offer(source, offer)
        self._refuse_known(offer)
        job = Download(uuid4().hex[:12], source, offer, total=wanted.size)
        self._fetch(job, found, wanted, lambda: progress(job))
        return self._catalog.find(job.model)

    def list(self) -> list[Download]:
        """All downloads since the start, newest first."""
        with self._lock:
            jobs = [*self._jobs.values()]
        return sorted(jobs, key=lambda job: -job.started)

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

    def close(self, timeout: float = 10.0) -> None:
        """Cancel all downloads and wait for them to tidy up."""
        until = time.monotonic() + timeout
        for job in self.list():
            self.cancel(job.id)
        for thread in list(self._threads.values()):
            thread.join(max(0.0, until - time.monotonic()))

    def clean(self) -> None:
        """Remove what killed downloads left; those that run, here or elsewhere, are let be."""
        clean(self._paths.models)

    def _offer(self, source: str, offer: str) -> tuple[ModelSource, Offer]:
        sources = self._plugins.model_sources()
        if source not in sources:
            raise NotFound(
                f"There is no source {source!r}.",
                hint=f"There is: {', '.join(sources) or 'none; enable a plugin that has one'}.",
            )
        for one in _offers(sources[source]):
            if one.name == offer:
                return sources[source], one
        raise NotFound(f"The source {source!r} does not offer {offer!r}.")

    def _refuse_known(self, offer: str) -> None:
        place = self._paths.models / offer
        for model in self._catalog.scan():
            if model.name == offer or model.path.is_relative_to(place):
                raise InvalidRequest(
                    f"The model {offer!r} is here already: {str(model.path)!r}.",
                    hint=f"To fetch it anew, remove it first: jackfield models remove {model.name}",
                )
        inside = {one.name for one in place.iterdir()} if place.is_dir() else {""}
        if place.exists() and inside - {SIDECAR}:
            raise InvalidRequest(
                f"{str(place)!r}, where {offer!r} would go, is there with something else in it.",
                hint="Move it elsewhere, or enable the loader that opens what is there.",
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

        def cancelled() -> bool:
            return job.id in self._cancelled

        job.state = "running"
        failure: Exception | None = None
        try:
            with workplace(self._paths.models, offer.name) as folder:
                self._check_room(offer)
                progress = _progress(job, tell)
                fetched = source.fetch(offer, folder, progress, cancelled)
                if not cancelled():
                    note = _checked(source, offer, folder, fetched, progress)
                if not cancelled():
                    self._keep(job, note, folder, fetched)
                    self._catalog.recommend(job.model, offer)
        except KeyboardInterrupt:
            job.state = "cancelled"
            raise
        except JackfieldError as error:
            failure = error
        except OSError as error:
            failure = _explained(error, offer)
        except Exception as error:  # noqa: BLE001 - a source is a plugin's own code
            failure = DownloadError(
                f"The source {source.name!r} failed to fetch {offer.name!r}: "
                f"{type(error).__name__}: {error}"
            )
            failure.__cause__ = error
        if job.model:
            job.state = "done"
        elif cancelled():
            job.state = "cancelled"
        elif failure:
            job.error = failure.message if isinstance(failure, JackfieldError) else str(failure)
            job.state = "failed"
            raise failure

    def _keep(self, job: Download, note: Sidecar, folder: Path, fetched: Path) -> None:
        """Put the model's folder in its place, with a note of where it came from."""
        made = folder / "model"
        made.mkdir()
        kept = fetched.rename(made / fetched.name)
        text = msgspec.json.format(msgspec.json.encode(note))
        with (made / SIDECAR).open("wb") as file:
            file.write(text)
        for file_ in (made / SIDECAR, *([kept] if kept.is_file() else [])):
            _to_disk(file_)
        place = self._paths.models / note.name
        if place.is_dir():  # an empty one, or the download fails: nothing of the user's is deleted
            (place / SIDECAR).unlink(missing_ok=True)
            place.rmdir()
        made.rename(place)
        here = [one for one in self._catalog.scan() if one.path.is_relative_to(place)]
        job.model = here[0].name if here else note.name

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


def _offers(source: ModelSource) -> list[Offer]:
    """A source's offers; none, with a line in the log, when it fails to say."""
    try:
        return [offer for offer in source.offers() if NAME.fullmatch(offer.name)]
    except Exception:  # a source is a plugin's own code
        logging.getLogger(__name__).exception("The source %r cannot say what it has", source.name)
        return []


def _checked(
    source: ModelSource,
    offer: Offer,
    folder: Path,
    fetched: Path,
    progress: Callable[[int, int, str], None],
) -> Sidecar:
    """A note about what has arrived.

    Raises:
        DownloadError: there is nothing, or no model that could be used.
    """
    if not fetched.exists() or not fetched.resolve().is_relative_to(folder.resolve()):
        raise DownloadError(f"The source {source.name!r} brought nothing for {offer.name!r}.")
    note = Sidecar(name=offer.name, source=source.name, license=offer.license)
    if not fetched.is_file():
        return note
    model = describe(fetched)
    if model is None or model.error:
        why = model.error if model else "It is no model of its own."
        raise DownloadError(
            f"What the source {source.name!r} brought for {offer.name!r} cannot be used. {why}",
            hint="Nothing of it was kept. Try again, or tell the plugin's author.",
        )
    digest = hashlib.sha256()
    note.size = model.size
    with fetched.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            progress(file.tell(), note.size, "verifying")
    note.sha256 = digest.hexdigest()
    return note


def _to_disk(path: Path) -> None:
    """Wait until a file's content would survive a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


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
    return DownloadError(
        f"{offer.name!r} could not be written: {error.strerror or error}.",
        hint=f"Look at {str(error.filename)!r}." if error.filename else "",
    )
