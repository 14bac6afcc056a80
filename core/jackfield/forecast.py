"""What a load would do, told before it is begun."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from jackfield.errors import LoadFailed
from jackfield.load_plan import LoadPlan
from jackfield.residency import Share
from jackfield.resident import Resident

Outcome: TypeAlias = Literal["fits", "takes turns", "refused"]


class Forecast(msgspec.Struct, frozen=True):
    """What loading a model would need and how it would go.

    Attributes:
        free: bytes that it may take now, on each device that it would be on.
        outcome: ``fits`` beside what is in memory, ``takes turns``: others are unloaded or waited
            for, or ``refused`` unless it is forced.
        refusal: why, with the numbers.
    """

    plan: LoadPlan
    free: dict[str, int]
    outcome: Outcome
    refusal: str = ""

    @classmethod
    def of(
        cls, plan: LoadPlan, share: Share, others: Sequence[Resident], own: Sequence[Resident]
    ) -> Forecast:
        """Look ahead.

        Args:
            others: models in memory.
            own: those of the same model, which it would replace.
        """
        free = {
            device: max(0, found)
            for device in plan.needs
            if (found := share.free(device, others, own)) is not None
        }
        try:
            share.refuse_if_hopeless(plan, [*others, *own])
        except LoadFailed as error:
            return cls(plan, free, "refused", error.message)
        return cls(
            plan, free, "takes turns" if share.shortages(plan.needs, others, own) else "fits"
        )
