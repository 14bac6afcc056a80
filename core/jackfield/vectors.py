"""What embedding models and rerankers answer with."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence

import msgspec


class Embeddings(msgspec.Struct, frozen=True):
    """Vectors of texts.

    Attributes:
        vectors: float32, little-endian, one row after the other.
        dimensions: length of a row.
        tokens: of all texts together, 0 where it is not known.
    """

    vectors: bytes
    dimensions: int
    tokens: int = 0

    @classmethod
    def of(cls, rows: Iterable[Sequence[float]], tokens: int = 0) -> Embeddings:
        """Embeddings of rows of equal length."""
        packed, count = array("f"), 0
        for row in rows:
            packed.extend(row)
            count += 1
        if sys.byteorder == "big":
            packed.byteswap()
        return cls(packed.tobytes(), len(packed) // count if count else 0, tokens)

    def __len__(self) -> int:
        return len(self.vectors) // (4 * self.dimensions) if self.dimensions else 0

    def rows(self) -> list[list[float]]:
        """The vectors as numbers."""
        unpacked = array("f", self.vectors)
        if sys.byteorder == "big":
            unpacked.byteswap()
        width = self.dimensions
        return [list(unpacked[at * width : (at + 1) * width]) for at in range(len(self))]


class Ranking(msgspec.Struct, frozen=True):
    """How well documents answer a query.

    Attributes:
        scores: in the order of the documents; higher is better.
        tokens: of all pairs together, 0 where it is not known.
    """

    scores: tuple[float, ...]
    tokens: int = 0
