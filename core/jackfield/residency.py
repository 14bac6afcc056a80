"""How the models in memory share it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from jackfield.errors import LoadFailed
from jackfield.resident import Resident
from jackfield.worker.memory import Limits, default_reserve, describe, room


class Share(msgspec.Struct, frozen=True):
    """How much memory models may take.

    Attributes:
        budget: bytes for all models together; set by the user, or the computer's less the reserve.
        reserve: bytes left to everything else.
        chosen: whether the user set the budget.
    """

    budget: int
    reserve: int
    chosen: bool

    @classmethod
    def now(cls, budget_gb: float) -> Share:
        """The share by the settings and the computer as they are."""
        total = room().total
        reserve = default_reserve(total)
        if budget_gb:
            return cls(round(budget_gb * 10**9), reserve, True)
        return cls(total - reserve, reserve, False)

    def shortage(self, need: int, others: Iterable[Resident]) -> int:
        """Bytes that are missing for another model beside these; 0 or less when it fits."""
        others = list(others)
        short = need + sum(one.committed for one in others) - self.budget
        if self.chosen:
            return short
        # What the others have yet to touch is as good as gone.
        coming = sum(one.committed - one.memory for one in others)
        return max(short, need + coming + self.reserve - room().available)

    def refuse_if_hopeless(self, model: str, need: int) -> None:
        """Refuse a model that would not fit if it were alone.

        Raises:
            LoadFailed: with both numbers.
        """
        if need <= self.budget:
            return
        whose = "the memory budget in the settings is" if self.chosen else "this computer can give"
        raise LoadFailed(
            f"Model {model!r} needs about {describe(need)}; {whose} {describe(self.budget)}.",
            hint="Choose a smaller model, a smaller quantization or a shorter context"
            + (", or raise the budget." if self.chosen else "."),
            model=model,
            need=need,
            budget=self.budget,
        )

    def no_room(self, resident: Resident, users: Sequence[str]) -> LoadFailed:
        """The error for a model that found no room beside those in use."""
        need, free = resident.plan.need, room().available
        others = f" Models in use: {', '.join(users)}." if users else ""
        return LoadFailed(
            f"There is no room for model {resident.model!r}: it needs about {describe(need)} of "
            f"{describe(self.budget)}, and {describe(free)} of memory are available.{others}",
            hint="Unload other models, close other programs, or choose a smaller model.",
            model=resident.model,
            need=need,
            budget=self.budget,
            available=free,
        )

    def limits(self, resident: Resident, others: Iterable[Resident]) -> Limits:
        """What one worker may take at most while the others are there."""
        if not self.chosen:
            return Limits(reserve=self.reserve)
        taken = sum(one.committed for one in others if one is not resident)
        return Limits(worker=max(1, self.budget - taken), reserve=self.reserve)


def least_recently_used(residents: Sequence[Resident]) -> Resident | None:
    """The one to unload first, of those that nobody uses; None when all are in use."""
    idle = [one for one in residents if one.state == "ready" and not one.busy]
    return min(idle, key=lambda one: one.last_used, default=None)
