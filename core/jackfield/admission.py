"""Gives loads room in memory: who waits, who may go by, and who is unloaded for whom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from jackfield.residency import Share, idle, least_recently_used
from jackfield.resident import Resident

POLL = 0.05
"""Seconds between two looks of a load that waits."""

PATIENCE = 0.5
"""Part of the longest wait after which nobody goes by any more."""


class Admission:
    """The line of loads that have no room yet.

    A load that waits for a model in use does not hold up others that fit. When room comes, the
    first in the line that it is enough for gets it. After half of its longest wait a load lets
    nobody by to memory that it is short of.

    Args:
        share: the memory that models may take, now.
        everyone: all models that take memory, those on their way out included.
        unload: unloads one.
        longest_wait: seconds.
    """

    def __init__(
        self,
        share: Callable[[], Share],
        everyone: Callable[[], list[Resident]],
        unload: Callable[[Resident], Awaitable[object]],
        longest_wait: float,
    ) -> None:
        self._share = share
        self._everyone = everyone
        self._unload = unload
        self._longest_wait = longest_wait
        self._line: dict[Resident, float] = {}  # since when, first come first

    async def admit(self, resident: Resident) -> None:
        """Wait until there is room, unloading models that nobody uses; it is then the resident's.

        Raises:
            LoadFailed: others that are in use do not leave enough, even after the longest wait.
        """
        self._line[resident] = time.monotonic()
        try:
            while not resident.admitted:
                step = self._step(resident)
                before = self._before(resident)
                if before is not None:
                    resident.step = f"waiting behind {before.model}"
                    self._give_up_if_late(resident)
                    await asyncio.sleep(POLL)
                elif step is True:
                    resident.admitted = True
                elif isinstance(step, Resident):
                    await self._unload(step)
                else:
                    self._wait_for_users(resident)
                    await asyncio.sleep(POLL)
        finally:
            del self._line[resident]

    def _step(self, resident: Resident) -> bool | Resident:
        """Whether it fits now, else whom to unload so that it will; False if that is not enough."""
        others = self._others(resident)
        short = self._share().shortages(resident.plan.needs, others)
        if not short:
            return True
        leaving = idle(others)
        enough = all(
            sum(one.committed_on(device) for one in leaving) >= missing
            for device, missing in short.items()
        )
        helpful = [one for one in leaving if any(one.committed_on(device) for device in short)]
        if not enough and not resident.forced:
            return False
        return least_recently_used(helpful) or resident.forced

    def _before(self, resident: Resident) -> Resident | None:
        """One that came earlier and that would get the room, or waits too long to be passed."""
        for other, since in self._line.items():
            if other is resident:
                return None
            if self._step(other) is not False:
                return other
            if time.monotonic() - since > self._longest_wait * PATIENCE:
                short = self._share().shortages(other.plan.needs, self._others(other))
                if any(resident.plan.needs.get(device) for device in short):
                    return other
        return None

    def _others(self, resident: Resident) -> list[Resident]:
        return [one for one in self._everyone() if one is not resident]

    def _wait_for_users(self, resident: Resident) -> None:
        others = self._others(resident)
        short = self._share().shortages(resident.plan.needs, others)
        users = [
            one.model
            for one in others
            if any(one.committed_on(device) for device in short)
            and (one.busy or one.state != "ready")
        ]
        if short and not users:
            raise self._share().no_room(resident, others)
        self._give_up_if_late(resident)
        resident.step = f"waiting for memory that {', '.join(users)} use"

    def _give_up_if_late(self, resident: Resident) -> None:
        if time.monotonic() - self._line[resident] > self._longest_wait:
            raise self._share().no_room(resident, self._others(resident))
