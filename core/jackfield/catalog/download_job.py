"""One download: what is shown of it, and what is noted of it on disk so that it can go on."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from uuid import uuid4

import msgspec

from jackfield.catalog.source import ModelSource, Offer, Progress
from jackfield.catalog.workplace import JOB, PARTIAL, held
from jackfield.errors import InvalidRequest, JackfieldError

State = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")
LATELY = 5.0
"""Seconds over which the speed is measured."""
NOTED = 1.0
"""Seconds between two notes of the progress on disk."""


class Download(msgspec.Struct):
    """A download, running or ended.

    Attributes:
        offer, title: name and full name of what is fetched.
        reference: what its source was asked for.
        done, total: bytes; total is 0 while it is unknown.
        stage: a word for what is being done.
        bytes_per_second: over the last seconds.
        seconds_left: at that speed; None while it cannot be said.
        error, hint: why it failed and what to do.
        model: the model's name here, once it is there.
        kept: what has arrived is kept when it is paused, interrupted or has failed.
        interrupted: it is paused because its process was ended.
        elsewhere: another Jackfield process is fetching it.
    """

    id: str
    source: str
    offer: str
    state: State = "queued"
    title: str = ""
    reference: str = ""
    done: int = 0
    total: int = 0
    stage: str = ""
    bytes_per_second: float = 0.0
    seconds_left: float | None = None
    error: str = ""
    hint: str = ""
    model: str = ""
    kept: bool = False
    interrupted: bool = False
    elsewhere: bool = False
    started: float = msgspec.field(default_factory=time.time)


class Note(msgspec.Struct):
    """What is kept of a download beside its files."""

    download: Download
    offer: Offer


class Job:
    """A download that this process works on, or has.

    Attributes:
        stop: what the user wants it to do instead of going on.
        again: go on after all, as soon as it has stopped.
    """

    def __init__(self, source: ModelSource, offer: Offer, note: Note | None = None) -> None:
        self.source = source
        self.offer = offer
        self.stop: Literal["", "pause", "cancel"] = ""
        self.again = False
        self.download = Download(
            note.download.id if note else uuid4().hex[:12],
            source.name,
            offer.name,
            title=offer.title,
            reference=offer.reference or offer.name,
            done=note.download.done if note else 0,
            total=offer.size or (note.download.total if note else 0),
            kept=source.resumes,
        )
        self._noted = 0.0
        self._noting = threading.Lock()

    def stopped(self) -> bool:
        """Whether it is to stop."""
        return bool(self.stop)

    def end(self, state: State, stage: str = "") -> None:
        """It is not being worked on any more."""
        self.download.state, self.download.stage = state, stage
        self.download.bytes_per_second, self.download.seconds_left = 0.0, None

    def fail(self, error: JackfieldError) -> None:
        """It ended without a model."""
        self.end("failed", self.download.stage)
        self.download.error, self.download.hint = error.message, error.hint

    def note(self, models: Path, *, always: bool = True) -> None:
        """Write down how far it is, now and then while it runs, if it can go on from there."""
        if not self.download.kept or (not always and time.monotonic() - self._noted < NOTED):
            return
        self._noted = time.monotonic()
        path = models / PARTIAL / self.offer.name / JOB
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        with self._noting:  # who pauses it notes that while it is still being fetched
            new.write_bytes(msgspec.json.encode(Note(self.download, self.offer)))
            new.replace(path)

    def progress(self, tell: Callable[[], None]) -> Progress:
        """Notes progress in the download; the speed is that of the present stage."""
        lately: deque[tuple[float, int]] = deque()

        def progress(done: int, total: int, stage: str) -> None:
            download, now = self.download, time.monotonic()
            if stage != download.stage or done < download.done:
                lately.clear()
            lately.append((now, done))
            while len(lately) > 2 and now - lately[1][0] > LATELY:
                lately.popleft()
            seconds = now - lately[0][0]
            speed = (done - lately[0][1]) / seconds if seconds > 0.2 else 0.0
            download.done, download.total, download.stage = done, total, stage
            download.bytes_per_second = speed
            download.seconds_left = (total - done) / speed if speed and total else None
            tell()

        return progress


def read_note(models: Path, name: str) -> Note | None:
    """What is noted of the download of a model, None if there is nothing that can be read."""
    try:
        return msgspec.json.decode((models / PARTIAL / name / JOB).read_bytes(), type=Note)
    except (OSError, msgspec.DecodeError):
        return None


def notes(models: Path) -> Iterator[Note]:
    """Downloads that were left to go on, and those that another process is busy with."""
    for path in (models / PARTIAL).glob(f"*/{JOB}"):
        note = read_note(models, path.parent.name)
        if note is None or note.offer.name != path.parent.name:
            continue
        download = note.download
        download.bytes_per_second, download.seconds_left = 0.0, None
        if held(models, note.offer.name):
            download.elsewhere, download.state = True, "running"
        elif download.state in ("queued", "running"):
            download.interrupted, download.state, download.stage = True, "paused", "interrupted"
        yield note


def refused(download: Download, what: str) -> InvalidRequest:
    """The error of something that cannot be done to a download now, e.g. ``paused``."""
    if download.elsewhere:
        return InvalidRequest(
            f"The download of {download.offer!r} cannot be {what} here: another Jackfield process "
            "works on it.",
            hint="Do it there, or stop that one.",
        )
    return InvalidRequest(
        f"The download of {download.offer!r} cannot be {what}: it is {download.state}.",
        hint="Begin it anew.",
    )
