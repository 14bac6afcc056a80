"""Fetching one file over HTTP: goes on after drops, and checks its length and hash on the way."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import msgspec

from jackfield.catalog.source import Progress, RemoteFile
from jackfield.errors import CorruptDownload, DownloadError, JackfieldError

if TYPE_CHECKING:
    import httpx

CHUNK = 1 << 18
PART = ".part"
STATE = ".part.json"
LOOK = 0.2
"""Seconds between two looks whether to stop."""
MOST_REDIRECTS = 10
BUSY = (408, 425, 429, 500, 502, 503, 504)
"""Answers that may be better a moment later."""
DOWNLOADING = "downloading"
CHECKING = "checking what is there"


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a download is; all but the first in seconds.

    Attributes:
        attempts: failures in a row, without getting further in between, before it gives up.
        first: wait after the first failure; it doubles each time.
        longest: the longest such wait.
        obeyed: the longest wait that a server may ask for.
        stall: time without a byte after which a connection counts as dropped.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0
    obeyed: float = 300.0
    stall: float = 30.0


class Stopped(Exception):
    """The download was paused or cancelled."""


class Dropped(Exception):
    """An attempt failed in a way that another may not."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


class _State(msgspec.Struct):
    """What is remembered of the server's file beside its first part."""

    etag: str = ""
    modified: str = ""
    total: int = 0

    @property
    def validator(self) -> str:
        """What ``If-Range`` takes; a weak tag does not promise the same bytes."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


class _Hash:
    """The hashes of a file: sha256 always, git's where that is what is known."""

    def __init__(self, file: RemoteFile) -> None:
        self._sha256 = hashlib.sha256()
        self._git = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)

    def update(self, chunk: bytes) -> None:
        self._sha256.update(chunk)
        self._git.update(chunk)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def wrong(self, file: RemoteFile) -> tuple[str, str, str] | None:
        """Kind of hash, what was expected and what is; None when all is right or unknown."""
        if file.sha256:
            pair = ("sha256", file.sha256.lower(), self.sha256)
        elif file.git_sha1 and file.size:
            pair = ("git hash", file.git_sha1.lower(), self._git.hexdigest())
        else:
            return None
        return None if pair[1] == pair[2] else pair


class Transfer:
    """One file on its way.

    What has arrived lies beside the target under another name until all is there and right, so
    that a later transfer to the same target goes on from it.

    Args:
        headers: asked for an address's secret headers; they go to the file's own host alone.
        refusal: makes the error of an answer such as 401, 403 or 404.
    """

    def __init__(
        self,
        file: RemoteFile,
        target: Path,
        *,
        headers: Callable[[str], Mapping[str, str]],
        refusal: Callable[[int], JackfieldError],
        retries: Retries,
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> None:
        self._file = file
        self._target = target
        self._part = target.with_name(target.name + PART)
        self._note = target.with_name(target.name + STATE)
        self._headers = headers
        self._refusal = refusal
        self._retries = retries
        self._progress = progress
        self._cancelled = cancelled
        self._state = _State()
        self._hash = _Hash(file)
        self._done = 0
        self._again = False

    def run(self, client: httpx.Client) -> str:
        """Fetch the file; return its sha256.

        Raises:
            CorruptDownload: its length or hash is wrong.
            DownloadError: it cannot be had now; what has arrived is kept.
            Stopped: it was told to stop; what has arrived is kept.
        """
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._take_up()
        while True:
            self._again = self._done > 0
            if not self._whole():
                self._arrive(client)
            wrong = self._hash.wrong(self._file)
            if wrong is None:
                break
            self._start_over()
            if not self._again:  # a first part from earlier may be to blame, but not twice
                kind, expected, arrived = wrong
                raise CorruptDownload(
                    f"{self._file.path!r} arrived with the {kind} {arrived} and should have "
                    f"{expected}. It was thrown away.",
                    hint="Try again; if it stays so, the file or the way to it was tampered with.",
                    expected=expected,
                    arrived=arrived,
                )
        with self._part.open("rb+") as file:
            os.fsync(file.fileno())
        self._part.replace(self._target)
        self._note.unlink(missing_ok=True)
        return self._hash.sha256

    def _whole(self) -> bool:
        total = self._file.size or self._state.total
        return bool(total) and self._done == total

    def _take_up(self) -> None:
        """Hash what an earlier transfer left; a finished file is checked like a part."""
        if self._target.exists():
            self._target.replace(self._part)
        if not self._part.exists():
            self._start_over()
            return
        try:
            self._state = msgspec.json.decode(self._note.read_bytes(), type=_State)
        except (OSError, msgspec.DecodeError):
            self._state = _State()
        with self._part.open("rb") as file:
            while chunk := file.read(CHUNK * 4):
                self._look_up(CHECKING)
                self._hash.update(chunk)
                self._done += len(chunk)
        known = self._file.sha256 or self._file.git_sha1 or self._state.validator
        total = self._file.size or self._state.total
        if not known or (total and self._done > total):
            self._start_over()

    def _start_over(self) -> None:
        self._hash, self._done, self._state = _Hash(self._file), 0, _State()
        self._note.unlink(missing_ok=True)
        self._part.write_bytes(b"")

    def _look_up(self, stage: str) -> None:
        """Report progress, and stop when told."""
        if self._cancelled():
            raise Stopped
        self._progress(self._done, self._file.size or self._state.total, stage)

    def _arrive(self, client: httpx.Client) -> None:
        """Ask until all is there, or until it makes no sense any more."""
        import httpx

        failures, furthest = 0, self._done
        while True:
            try:
                with self._answer(client) as answer:
                    self._take(answer)
                return
            except httpx.TransportError as error:
                dropped = Dropped(f"{type(error).__name__}: {error}".rstrip(": "))
            except Dropped as error:
                dropped = error
            if self._cancelled():
                raise Stopped from dropped
            # beginning anew is no progress: otherwise a lying server would never be given up
            failures = 1 if self._done > furthest else failures + 1
            furthest = max(furthest, self._done)
            if failures >= self._retries.attempts or dropped.wait > self._retries.obeyed:
                raise DownloadError(
                    f"{self._file.path!r} stopped after {self._done:,} bytes: {dropped}.",
                    hint="What has arrived is kept. Try again later; it goes on from there.",
                )
            patience = min(self._retries.first * 2 ** (failures - 1), self._retries.longest)
            self._wait(max(patience, dropped.wait))

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._look_up("waiting to try again")
            time.sleep(min(0.1, left))

    @contextmanager
    def _answer(self, client: httpx.Client) -> Iterator[httpx.Response]:
        """The answer behind all redirects.

        They are followed by hand: a key must not go to another host, nor be sent in the clear.
        """
        url, home = self._file.url, _origin(self._file.url)
        for _ in range(MOST_REDIRECTS):
            secret = self._headers(url) if _origin(url) == home else {}
            request = client.build_request("GET", url, headers={**self._asked(), **secret})
            answer = client.send(request, stream=True)
            try:
                if not answer.is_redirect:
                    yield answer
                    return
                onward = urljoin(url, answer.headers.get("Location", ""))
            finally:
                answer.close()
            kinds = urlsplit(url).scheme, urlsplit(onward).scheme
            if kinds[1] not in ("http", "https") or kinds == ("https", "http"):
                raise DownloadError(
                    f"{self._file.path!r} was not fetched: its server redirects from {kinds[0]} "
                    f"to {kinds[1]}, which is not safe."
                )
            url = onward
        raise DownloadError(
            f"{self._file.path!r} was not fetched: its server redirects in a circle.",
            hint="Check the address.",
        )

    def _asked(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}  # lengths and ranges count the file's own bytes
        if self._done:
            headers["Range"] = f"bytes={self._done}-"
            if self._state.validator:
                headers["If-Range"] = self._state.validator
        return headers

    def _take(self, answer: httpx.Response) -> None:
        """Write what an answer brings after what is there."""
        self._check_status(answer)
        total = self._total_of(answer)
        if self._file.size and total and total != self._file.size:
            raise CorruptDownload(
                f"{self._file.path!r} has {total:,} bytes at its server and should have "
                f"{self._file.size:,}. It was not fetched.",
                hint="It changed there, or the way to it was tampered with. Look for it anew.",
                expected=self._file.size,
                arrived=total,
            )
        self._remember(answer, total)
        expected = self._file.size or total
        with self._part.open("ab", buffering=0) as file, _ended_when(self._cancelled, answer):
            for chunk in answer.iter_raw():  # as it comes: what is gathered is lost by a drop
                if expected and self._done + len(chunk) > expected:
                    raise CorruptDownload(
                        f"{self._file.path!r} brings more than the {expected:,} bytes it should "
                        "have. It was thrown away.",
                        expected=expected,
                    )
                _write(file.fileno(), chunk)
                self._hash.update(chunk)
                self._done += len(chunk)
                self._look_up(DOWNLOADING)
        if expected and self._done < expected:
            raise Dropped("the connection ended early")

    def _check_status(self, answer: httpx.Response) -> None:
        """Start over if the answer does not go on where we are; refuse what is no file."""
        status = answer.status_code
        if status in BUSY:
            wait = _seconds(answer.headers.get("Retry-After", ""))
            asked = f" and asks to wait {wait:.0f} seconds" if wait else ""
            raise Dropped(f"the server answered {status}{asked}", wait)
        if status == 206 and self._goes_on(answer):
            return
        if status in (206, 416):  # another piece than the one that was asked for
            self._start_over()
            raise Dropped(f"the server answered {status} with another part of the file")
        if status != 200:
            raise self._refusal(status)
        if self._done:  # it ignores ranges, or the file changed there
            self._start_over()

    def _goes_on(self, answer: httpx.Response) -> bool:
        start, total = _range(answer)
        tag = answer.headers.get("ETag", "")
        same = not tag or not self._state.etag or tag == self._state.etag
        return same and start == self._done and self._state.total in (0, total)

    def _total_of(self, answer: httpx.Response) -> int:
        """Bytes of the whole file as the answer says, 0 if it does not."""
        if answer.status_code == 206:
            return _range(answer)[1]
        length = answer.headers.get("Content-Length", "")
        return int(length) if length.isdigit() else 0

    def _remember(self, answer: httpx.Response, total: int) -> None:
        etag, modified = (answer.headers.get(one, "") for one in ("ETag", "Last-Modified"))
        state = _State(etag=etag, modified=modified, total=total)
        if state != self._state:
            self._state = state
            self._note.write_bytes(msgspec.json.encode(state))


@contextmanager
def _ended_when(cancelled: Callable[[], bool], answer: httpx.Response) -> Iterator[None]:
    """Cut the connection when told to stop: nothing else ends a read that waits for bytes."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            if cancelled():
                stream = answer.extensions["network_stream"]
                with suppress(OSError):
                    stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
                return

    watcher = threading.Thread(target=watch, name="watch a download", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _write(descriptor: int, chunk: bytes) -> None:
    """Write all of it, however much the system takes at once."""
    left = memoryview(chunk)
    while left:
        left = left[os.write(descriptor, left) :]


def _range(answer: httpx.Response) -> tuple[int, int]:
    """Where a piece begins and how long the whole is; -1 and 0 where that is not said."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if not found:
        return -1, 0
    return int(found[1]), int(found[2]) if found[2].isdigit() else 0


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _seconds(text: str) -> float:
    """What ``Retry-After`` says, a number or a date; 0 for nothing that can be read."""
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0
