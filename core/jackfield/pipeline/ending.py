"""Work that must come to its end although the task that does it is being cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import anyio


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Do some work whole; a cancellation that comes meanwhile takes effect afterwards.

    A shielded scope alone keeps off anyio's cancellations but not those of ``Task.cancel``.
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError as error:
                cancelled = error
    if not task.cancelled():
        task.result()
    if cancelled is not None:
        raise cancelled
