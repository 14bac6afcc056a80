"""Fetching models: one job each, whole or not at all."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from jackfield.catalog.arrival import check_room, checked, explained, has_files, keep
from jackfield.catalog.catalog import Catalog
from jackfield.catalog.download_job import ENDED, Download, Job, Note, notes, read_note, refused
from jackfield.catalog.model import SIDECAR, CatalogModel
from jackfield.catalog.source import Fetched, Offer
from jackfield.catalog.sources import NAME, SearchResult, Sources
from jackfield.catalog.workplace import Workplace, clean, workplace
from jackfield.errors import (
    CorruptDownload,
    DiskFull,
    DownloadError,
    InvalidRequest,
    JackfieldError,
    NotFound,
)
from jackfield.manager import PluginManager
from jackfield.paths import Paths

__all__ = ["Download", "Downloads", "SearchResult"]

AT_ONCE = 2


class Downloads:
    """Finds, starts, watches, pauses and cancels downloads; two run at once, others wait.

    A model arrives in a hidden folder beside the models, is checked there, and is renamed into its
    place as the last step, so that nothing half-fetched is ever taken for a model. What can go on
    later is noted in that folder: a killed download is paused for whoever starts next.

    Attributes:
        sources: where models can be got.
    """

    def __init__(self, paths: Paths, catalog: Catalog, plugins: PluginManager) -> None:
        self.sources = Sources(plugins)
        self._models = paths.models
        self._catalog = catalog
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._dropped: dict[str, Download] = {}
        self._waiting: deque[Job] = deque()
        self._threads: dict[str, threading.Thread] = {}
        self._closing = False

    def offers(self) -> list[tuple[str, Offer]]:
        """What all sources list without a network, each with its source's name."""
        return self.sources.offers()

    def find_offer(self, name: str) -> tuple[str, Offer]:
        """See :meth:`Sources.find_offer`."""
        return self.sources.find_offer(name)

    def search(self, words: str, source: str = "") -> list[SearchResult]:
        """See :meth:`Sources.search`."""
        return self.sources.search(words, source)

    def resolve(self, reference: str, source: str = "") -> tuple[str, Offer]:
        """See :meth:`Sources.resolve`."""
        return self.sources.resolve(reference, source)

    def variants(self, reference: str, source: str = "") -> list[tuple[str, Offer]]:
        """See :meth:`Sources.variants`."""
        return self.sources.variants(reference, source)

    def start(self, source: str, offer: Offer | str, name: str = "") -> Download:
        """Begin a download in the background; one of the same model that runs is returned.

        Args:
            offer: or the name or reference of one.
            name: what the model shall be called here instead.

        Raises:
            NotFound: no such source or offer.
            InvalidRequest: the model is here already, or cannot be called that.
        """
        wanted = self._wanted(source, offer, name)
        with self._lock:
            for job in self._jobs.values():
                download = job.download
                if download.offer == wanted.name and download.state in ("queued", "running"):
                    return download
            job = self._made(source, wanted)
            self._queue(job)
        return job.download

    def run(
        self,
        source: str,
        offer: Offer | str,
        progress: Callable[[Download], None] = lambda job: None,
        name: str = "",
    ) -> CatalogModel:
        """Fetch a model and wait for it.

        Raises:
            JackfieldError: it could not be fetched, or is here already.
        """
        job = self._made(source, self._wanted(source, offer, name))
        self._fetch(job, lambda: progress(job.download))
        return self._catalog.find(job.download.model)

    def list(self) -> list[Download]:
        """All downloads since the start and those that were left before it, newest first."""
        with self._lock:
            known = {job.download.id: job.download for job in self._jobs.values()} | self._dropped
        for note in notes(self._models):
            known.setdefault(note.download.id, note.download)
        return sorted(known.values(), key=lambda job: -job.started)

    def get(self, id_: str) -> Download:
        """One download.

        Raises:
            NotFound: there is none.
        """
        job = self._jobs.get(id_)
        return job.download if job else self._dropped.get(id_) or self._left(id_).download

    def pause(self, id_: str) -> None:
        """Stop a download and keep what has arrived; it may take a moment.

        Raises:
            InvalidRequest: it does not run, or its source cannot go on from a part.
        """
        download = self.get(id_)
        if download.state == "paused":
            return
        if download.elsewhere or download.state in ENDED:
            raise refused(download, "paused")
        if not download.kept:
            raise InvalidRequest(
                f"The download of {download.offer!r} cannot be paused: its source "
                f"{download.source!r} always begins anew.",
                hint="Let it go on, or cancel it.",
            )
        self._stop(self._jobs[id_], "pause")

    def resume(self, id_: str) -> Download:
        """Go on with a download that is paused or has failed.

        Raises:
            InvalidRequest: it has ended, or another process works on it.
        """
        thread = self._threads.get(id_)
        if thread and self.get(id_).state == "failed":
            thread.join()  # it is about to let go of what it kept
        with self._lock:
            job = self._jobs.get(id_)
            if id_ in self._dropped:
                raise refused(self._dropped[id_], "resumed")
            if job is None:
                note = self._left(id_)
                if note.download.elsewhere:
                    raise refused(note.download, "resumed")
                self._refuse_known(note.offer.name)
                job = Job(self.sources.get(note.download.source), note.offer, note)
                self._queue(job)
            elif job.stop == "pause":  # it is about to stop
                job.again = True
            elif job.download.state == "failed":
                self._refuse_known(job.offer.name)
                self._queue(self._anew(job))
            elif job.download.state in ENDED:
                raise refused(job.download, "resumed")
            return job.download

    def cancel(self, id_: str) -> None:
        """Stop a download; what has arrived is thrown away. One that has ended stays as it is.

        Raises:
            InvalidRequest: another process works on it.
        """
        job = self._jobs.get(id_)
        if job is not None and job.download.state not in ENDED:
            self._stop(job, "cancel")
        elif job is None and id_ not in self._dropped:
            download = self._left(id_).download
            with workplace(self._models, download.offer):
                download.state, download.kept, download.interrupted = "cancelled", False, False
            self._dropped[id_] = download

    def remove(self, id_: str) -> None:
        """Take a download that has ended off the list, and throw away what it kept.

        Raises:
            InvalidRequest: it has not ended.
        """
        download = self.get(id_)
        if download.state not in ENDED:
            raise InvalidRequest(
                f"The download of {download.offer!r} has not ended.", hint="Cancel it instead."
            )
        if download.kept and download.state == "failed":
            with workplace(self._models, download.offer):
                pass
        with self._lock:
            self._jobs.pop(id_, None)
            self._dropped.pop(id_, None)

    def close(self, timeout: float = 10.0) -> None:
        """Pause what can go on later, cancel the rest, and wait for them to tidy up."""
        until = time.monotonic() + timeout
        self._closing = True
        for job in list(self._jobs.values()):
            if job.download.state not in ENDED:
                self._stop(job, "pause" if job.download.kept else "cancel")
        for thread in list(self._threads.values()):
            thread.join(max(0.0, until - time.monotonic()))

    def clean(self) -> None:
        """Remove what killed downloads left and cannot go on; running ones are let be."""
        clean(self._models, {note.offer.name for note in notes(self._models)})

    def _left(self, id_: str) -> Note:
        for note in notes(self._models):
            if note.download.id == id_:
                return note
        raise NotFound(f"There is no download {id_!r}.")

    def _wanted(self, source: str, offer: Offer | str, name: str) -> Offer:
        self.sources.get(source)
        wanted = offer if isinstance(offer, Offer) else self.sources.resolve(offer, source)[1]
        if not name:
            return wanted
        if not NAME.fullmatch(name):
            raise InvalidRequest(
                f"A model cannot be called {name!r}.",
                hint="Lower-case letters, digits, dots, dashes and underscores, a letter first.",
            )
        return msgspec.structs.replace(wanted, name=name, reference=wanted.reference or wanted.name)

    def _made(self, source: str, wanted: Offer) -> Job:
        """A job for an offer, which goes on where an earlier one for the same thing ended."""
        self._refuse_known(wanted.name)
        note = read_note(self._models, wanted.name)
        if note and note.download.source == source and note.offer.reference == wanted.reference:
            return Job(self.sources.get(source), note.offer, note)
        if note:  # something else of that name
            with workplace(self._models, wanted.name):
                pass
        return Job(self.sources.get(source), wanted)

    def _anew(self, job: Job) -> Job:
        """The same download once more, from its source with the options of now."""
        source = self.sources.get(job.download.source)
        return Job(source, job.offer, Note(job.download, job.offer))

    def _refuse_known(self, offer: str) -> None:
        place = self._models / offer
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

    def _queue(self, job: Job) -> None:
        with self._lock:
            self._jobs[job.download.id] = job
            self._waiting.append(job)
            job.note(self._models)
            self._begin()

    def _begin(self) -> None:
        """Begin with those that wait while there is room for them."""
        while self._waiting and len(self._threads) < AT_ONCE and not self._closing:
            job = self._waiting.popleft()
            thread = threading.Thread(
                target=self._work, args=(job,), name=f"fetch {job.offer.name}", daemon=True
            )
            self._threads[job.download.id] = thread
            thread.start()

    def _stop(self, job: Job, how: str) -> None:
        with self._lock:
            job.again = False
            job.stop = "cancel" if how == "cancel" else "pause"
            if job in self._waiting:
                self._waiting.remove(job)
                job.end("cancelled" if how == "cancel" else "paused")
                if how == "pause":
                    job.note(self._models)
                    del self._jobs[job.download.id]

    def _work(self, job: Job) -> None:
        with suppress(JackfieldError):  # the download says it
            self._fetch(job, lambda: None)
        with self._lock:
            del self._threads[job.download.id]
            if job.download.state == "paused" and job.stop == "cancel":  # it came too late
                with workplace(self._models, job.offer.name) as place:
                    place.clear()
                    job.end("cancelled")
            elif job.download.state == "paused":  # what is kept is listed from its note
                del self._jobs[job.download.id]
                if job.again:
                    with suppress(NotFound):  # its plugin was switched off: it stays paused
                        self._queue(self._anew(job))
            self._begin()

    def _fetch(self, job: Job, tell: Callable[[], None]) -> None:
        """Fetch into a temporary folder and rename that when all is right."""
        name = job.offer.name
        note = read_note(self._models, name)
        fresh = note is None or note.download.id != job.download.id
        job.download.state = "running"
        began = False
        try:
            with workplace(self._models, name, fresh=fresh) as place:
                began = True
                try:
                    self._bring(job, place.folder, tell)
                except BaseException as error:
                    self._settle(job, place, error)
                    raise
                self._settle(job, place)
        except JackfieldError as error:
            if not began:  # another process works on it, and what is there is not ours
                job.download.kept = False
                job.fail(error)
            if not job.stop:
                raise

    def _bring(self, job: Job, folder: Path, tell: Callable[[], None]) -> None:
        """Let the source fetch, check what it brings and keep it."""
        source, offer = job.source, job.offer
        job.note(self._models)
        check_room(offer, self._models, folder)

        def noted() -> None:
            job.note(self._models, always=False)
            tell()

        progress = job.progress(noted)
        try:
            brought = source.fetch(offer, folder, progress, job.stopped)
            fetched = brought if isinstance(brought, Fetched) else Fetched(brought)
            if job.stopped():
                return
            note = checked(source, offer, folder, fetched, progress)
            if job.stopped():
                return
            place = keep(self._models, note, folder, fetched.path)
        except JackfieldError:
            raise
        except OSError as error:
            raise explained(error, offer) from error
        except Exception as error:
            raise DownloadError(
                f"The source {source.name!r} failed to fetch {offer.name!r}: "
                f"{type(error).__name__}: {error}"
            ) from error
        here = [one for one in self._catalog.scan() if one.path.is_relative_to(place)]
        job.download.model = here[0].name if here else note.name
        self._catalog.recommend(job.download.model, offer)

    def _settle(self, job: Job, place: Workplace, error: BaseException | None = None) -> None:
        """Say how a download ended, and whether what has arrived stays."""
        download = job.download
        useless = isinstance(error, CorruptDownload) or (
            isinstance(error, DiskFull) and "needed" not in error.details
        )
        if download.model:
            job.end("done")
        elif job.stop == "cancel":
            place.clear()  # so that nothing is left when that is said
            job.end("cancelled")
        elif job.stop == "pause" or (error and not isinstance(error, Exception)):
            job.end("paused" if download.kept else "cancelled")
        elif isinstance(error, JackfieldError):
            job.fail(error)
            download.kept = download.kept and not useless and has_files(place.folder)
        place.kept = download.kept and download.state in ("paused", "failed")
        if place.kept:
            job.note(self._models)
