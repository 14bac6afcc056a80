"""Translation: what an engine implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar


class Translator(ABC):
    """Translates between pairs of languages. Several threads may use it at once.

    Attributes:
        name: lower-case, e.g. ``marian``.
        title: what the user reads.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def missing(self) -> str:
        """What has to be done first, as one command or sentence; "" if nothing."""

    @abstractmethod
    def pairs(self) -> Sequence[tuple[str, str]]:
        """Source and target languages (ISO 639-1), best first; none while something is missing."""

    @abstractmethod
    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translate sentences, each by itself, in order.

        Raises:
            InvalidRequest: there is no such pair.
            JackfieldError: the engine is not installed or failed.
        """
