"""A source whose models are files behind addresses; Jackfield fetches them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar

from jackfield.catalog.source import Fetched, ModelSource, Offer, Progress, RemoteFile
from jackfield.catalog.transfer import PART, Retries, Stopped, Transfer
from jackfield.errors import DownloadError, JackfieldError, NotPermitted


class FileSource(ModelSource):
    """A source that says which files an offer has; they are fetched, gone on with and checked here.

    Its offers carry ``files`` when they come from ``resolve`` or ``variants``.

    Args:
        offline: asks whether the network may not be used.
    """

    resumes: ClassVar[bool] = True

    def __init__(
        self, *, offline: Callable[[], bool] = lambda: False, retries: Retries | None = None
    ) -> None:
        self._offline = offline
        self._retries = retries or Retries()

    def offers(self) -> Sequence[Offer]:
        """None by default: such a place is searched."""
        return []

    def headers(self, url: str) -> Mapping[str, str]:
        """Headers for an address, a key among them.

        They are asked for at each request, are never kept, and go to no host but the file's own.
        """
        return {}

    def refusal(self, offer: Offer, file: RemoteFile, status: int) -> JackfieldError:
        """What to tell the user when a server answers with a status such as 403 or 404."""
        return DownloadError(
            f"{file.path!r} of {offer.title!r} cannot be had: its server answered {status}.",
            hint="Check the address, and whether it wants a key.",
        )

    def refuse_offline(self, what: str) -> None:
        """Raise NotPermitted in offline mode."""
        if self._offline():
            raise NotPermitted(
                f"{what!r} was not looked for: offline mode is on.",
                hint="Switch it off: jackfield config set offline false",
            )

    def fetch(
        self, offer: Offer, folder: Path, progress: Progress, cancelled: Callable[[], bool]
    ) -> Fetched:
        """Fetch all files of the offer, the small ones first."""
        import httpx

        self.refuse_offline(offer.title)
        place = folder / offer.name
        files = sorted(_checked(offer), key=lambda file: file.size)
        known = sum(file.size for file in files) if all(file.size for file in files) else 0
        timeout = httpx.Timeout(30.0, connect=15.0, read=self._retries.stall)
        sha256: dict[str, str] = {}
        finished = 0
        with httpx.Client(timeout=timeout) as client:
            for file in files:
                one = Transfer(
                    file,
                    place / file.path,
                    headers=self.headers,
                    refusal=partial(self.refusal, offer, file),
                    retries=self._retries,
                    progress=_shifted(progress, finished, known),
                    cancelled=cancelled,
                )
                try:
                    sha256[file.path] = one.run(client)
                except Stopped:
                    return Fetched(place)
                finished += (place / file.path).stat().st_size
        only = files[0].path if len(files) == 1 else ""
        return Fetched(place / only if only else place, _by_name(sha256, only))


def _shifted(progress: Progress, before: int, known: int) -> Progress:
    """Progress of one file as part of all."""

    def tell(done: int, total: int, stage: str) -> None:
        progress(before + done, known or before + total, stage)

    return tell


def _by_name(sha256: dict[str, str], only: str) -> dict[str, str]:
    return {PurePosixPath(only).name: sha256[only]} if only else sha256


def _checked(offer: Offer) -> Sequence[RemoteFile]:
    """The files of an offer.

    Raises:
        DownloadError: there are none, or one would go where it must not.
    """
    if not offer.files:
        raise DownloadError(
            f"Nothing is known of the files of {offer.title!r}.",
            hint=f"Ask for it by its reference: {offer.reference or offer.name}",
        )
    seen = set()
    for file in offer.files:
        parts = file.path.split("/")
        strange = any(
            part in ("", ".", "..") or part.endswith(PART) or not part.isprintable()
            for part in parts
        )
        if strange or "\\" in file.path or ":" in file.path or file.path.lower() in seen:
            raise DownloadError(
                f"{offer.title!r} has a file with the path {file.path!r}, which is not safe.",
                hint="Nothing of it was fetched.",
            )
        seen.add(file.path.lower())
    return offer.files
