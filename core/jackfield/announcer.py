"""Tells plugins what happens to models."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import anyio.to_thread

from jackfield.manager import PluginManager


class Announcer:
    """Calls life hooks in a thread, in the order of events, without holding anybody up."""

    def __init__(self, plugins: PluginManager) -> None:
        self._plugins = plugins
        self._in_turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, hook: str, **values: Any) -> None:
        """Call a hook of every enabled plugin, soon."""
        task = asyncio.create_task(self._call(partial(self._plugins.life, hook, **values)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, seconds: float) -> None:
        """Wait for the calls that were made, but no longer than this."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def _call(self, call: partial[None]) -> None:
        async with self._in_turn:
            await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
