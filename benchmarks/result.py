"""What a benchmark found, and the table of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Result:
    """A figure against its budget.

    Attributes:
        what: what was measured.
        value: the figure, in ``unit``.
        unit: "" for a ratio.
        budget: what it may be at most, or must be at least; None where nothing is asked.
        limit: which of the two.
        detail: what it was computed from.
    """

    what: str
    value: float
    unit: str
    budget: float | None
    limit: Literal["at least", "at most"]
    detail: str

    @property
    def kept(self) -> bool:
        """Whether the figure is within its budget."""
        if self.budget is None:
            return True
        if self.limit == "at least":
            return self.value >= self.budget
        return self.value <= self.budget

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of the table."""
        sign = "≥" if self.limit == "at least" else "≤"
        unit = f" {self.unit}" if self.unit else ""
        return (
            self.what,
            "" if self.budget is None else f"{sign} {self.budget:g}{unit}",
            f"{self.value:.2f}{unit}" if not self.unit else f"{self.value:.3g}{unit}",
            "" if self.budget is None else "yes" if self.kept else "**no**",
            self.detail,
        )


HEADINGS = ("what", "budget", "measured", "kept", "from")


def table(results: Sequence[Result]) -> str:
    """A Markdown table."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *(result.row for result in results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of pairs that were measured one after the other."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def spread(values: Sequence[float], unit: str) -> str:
    """The median, with the least and the greatest."""
    return f"{statistics.median(values):.3g} {unit} ({min(values):.3g} to {max(values):.3g})"
