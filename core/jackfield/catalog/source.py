"""What a source of models implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import msgspec

Progress: TypeAlias = Callable[[int, int, str], None]
"""Told bytes done, bytes in all (0 if unknown) and a word for the stage."""


class RemoteFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that belongs to a model, where it can be fetched.

    Attributes:
        path: where it goes in the model's folder; relative, parts separated by ``/``.
        url: http or https; without a key or password, which are never kept.
        size: bytes, 0 if unknown.
        sha256: of its content, "" if unknown.
        git_sha1: what git calls its content, "" if unknown; used where there is no sha256.
    """

    path: str
    url: str
    size: int = 0
    sha256: str = ""
    git_sha1: str = ""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a source can fetch.

    Attributes:
        name: what the model will be called here, e.g. ``smollm2``; lower-case, fit for a folder.
        title: its full name.
        description: what it is good for, a sentence.
        size: bytes to download, 0 if unknown.
        installed_size: further bytes it takes on disk.
        license: SPDX identifier, "" if unknown.
        architecture: e.g. ``llama``.
        quantization: e.g. ``Q4_1``.
        template: a named chat template that suits it better than its own, "" for its own.
        sampling: sampling parameters that suit it, by name.
        reference: what it is asked for by, e.g. ``owner/name:Q4_K_M``; "": by its name.
        repository: where its files are kept, "" if it has no such place.
        revision: the exact state of the repository; a download that goes on keeps to it.
        files: what is fetched, where the source says so.
        page: the address of a page about it.
        gated: its owner wants something accepted before it can be fetched.
        popularity: how often it was fetched lately, 0 if unknown.
        notice: what the user should know before it is fetched.

    Template and sampling become the model's settings when it is fetched, unless it has some.
    """

    name: str
    title: str
    description: str = ""
    size: int = 0
    installed_size: int = 0
    license: str = ""
    architecture: str = ""
    quantization: str = ""
    template: str = ""
    sampling: dict[str, Any] = msgspec.field(default_factory=dict)
    reference: str = ""
    repository: str = ""
    revision: str = ""
    files: tuple[RemoteFile, ...] = ()
    page: str = ""
    gated: bool = False
    popularity: int = 0
    notice: str = ""


class Fetched(msgspec.Struct, frozen=True):
    """What a source brought, with hashes that were taken on the way.

    Attributes:
        path: the model's file or folder.
        sha256: of each file, by its path below ``path``, or by its name where that is a file.
    """

    path: Path
    sha256: dict[str, str] = msgspec.field(default_factory=dict)


class ModelSource(ABC):
    """A place where models can be got.

    ``offers`` and ``fetch`` are enough for a short list. A place that is too large to list finds
    things by ``search`` and ``resolve``. One whose models are plain files behind addresses derives
    from :class:`FileSource` and leaves the fetching to Jackfield.

    Attributes:
        name: lower-case, unique.
        title: what the user reads.
        resumes: ``fetch`` goes on from what an earlier one left in its folder; then that is kept
            when a download is paused or interrupted.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    resumes: ClassVar[bool] = False

    @abstractmethod
    def offers(self) -> Sequence[Offer]:
        """What can be had, without a network."""

    @abstractmethod
    def fetch(
        self, offer: Offer, folder: Path, progress: Progress, cancelled: Callable[[], bool]
    ) -> Path | Fetched:
        """Fetch a model into ``folder``, a temporary one; return its file or folder there.

        The folder is empty unless the source resumes. Verify what arrives. Ask ``cancelled`` often
        and return early, with anything, if it says so.

        Raises:
            DownloadError: it did not arrive whole and right.
            DiskFull: there is not enough room.
        """

    def search(self, words: str) -> Sequence[Offer]:
        """What fits some words, the best first; it need not be complete enough to be fetched.

        Raises:
            DownloadError: the place cannot be asked.
        """
        wanted = words.lower().split()
        return [
            offer
            for offer in self.offers()
            if all(
                word in f"{offer.name} {offer.title} {offer.description}".lower() for word in wanted
            )
        ]

    def resolve(self, reference: str) -> Offer | None:
        """The offer that is meant by a name or address; None if it is not for this source.

        Raises:
            JackfieldError: it is for this source, and cannot be had.
        """
        return next((one for one in self.offers() if one.name == reference.lower()), None)

    def variants(self, reference: str) -> Sequence[Offer]:
        """What can be fetched in place of each other there, such as quantizations; one by default.

        Raises:
            JackfieldError: as for ``resolve``.
        """
        found = self.resolve(reference)
        return [found] if found else []
