"""Looks after the models in memory: unloads idle ones, lets limits follow what others take."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from jackfield.residency import Share
from jackfield.resident import Resident
from jackfield.settings_store import SettingsStore

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two looks."""


class Caretaker:
    """One round of looking after models.

    Args:
        settings: the application's.
        share: the memory that models may take, now.
        everyone: all models that take memory, those on their way out included.
        unload: unloads one.
    """

    def __init__(
        self,
        settings: SettingsStore,
        share: Callable[[], Share],
        everyone: Callable[[], list[Resident]],
        unload: Callable[[Resident], Awaitable[object]],
    ) -> None:
        self._settings = settings
        self._share = share
        self._everyone = everyone
        self._unload = unload

    async def work(self, residents: Callable[[], list[Resident]]) -> None:
        """Look after them until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            try:
                await self.look(residents())
            except Exception:
                log.exception("looking after the models failed; it is tried again")

    async def look(self, residents: list[Resident]) -> None:
        """Do once what is to be done now."""
        share, seconds = self._share(), self._settings.value.engine.idle_minutes * 60
        for one in residents:
            if one.busy:
                one.touch()
            if one.state == "ready" and one.worker is not None:
                one.worker.limits = share.limits(one, self._everyone())
            idle = one.state == "ready" and not one.busy
            if seconds and idle and time.time() - one.last_used > seconds:
                await self._unload(one)
