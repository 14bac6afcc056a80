"""What embedding models and rerankers answer with."""

from __future__ import annotations

import math
import operator
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

    def similarities(self) -> list[list[float]]:
        """The cosine between each two vectors: 1 for the same direction."""
        unit = []
        for row in self.rows():
            length = math.hypot(*row) or 1.0
            unit.append([one / length for one in row])
        return [[sum(map(operator.mul, one, other)) for other in unit] for one in unit]


class Ranking(msgspec.Struct, frozen=True):
    """How well documents answer a query.

    Attributes:
        scores: in the order of the documents; higher is better.
        tokens: of all pairs together, 0 where it is not known.
    """

    scores: tuple[float, ...]
    tokens: int = 0

    def order(self) -> list[int]:
        """Places of the documents, the best first; equals in the order they were given."""
        return sorted(range(len(self.scores)), key=lambda place: -self.scores[place])
