"""What a source of models implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a source can fetch.

    Attributes:
        name: what the model will be called here, e.g. ``smollm2``; lower-case, fit for a folder.
        title: its full name.
        description: what it is good for, a sentence.
        size: bytes to download.
        installed_size: bytes it takes on disk.
        license: SPDX identifier, "" if unknown.
        architecture: e.g. ``llama``.
        quantization: e.g. ``Q4_1``.
        template: a named chat template that suits it better than its own, "" for its own.
        sampling: sampling parameters that suit it, by name.

    The last two become the model's settings when it is fetched, unless it has some already.
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


class ModelSource(ABC):
    """A place where models can be got.

    Attributes:
        name: lower-case, unique.
        title: what the user reads.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def offers(self) -> Sequence[Offer]:
        """What can be had, without a network."""

    @abstractmethod
    def fetch(
        self,
        offer: Offer,
        folder: Path,
        progress: Callable[[int, int, str], None],
        cancelled: Callable[[], bool],
    ) -> Path:
        """Fetch a model into ``folder``, an empty temporary one; return its file or folder there.

        Verify what arrives. Call ``progress`` with bytes done, bytes in all (0 if unknown) and a
        word for the stage; ask ``cancelled`` often and return early, with anything, if it says so.

        Raises:
            DownloadError: it did not arrive whole and right.
            DiskFull: there is not enough room.
        """
