"""What a worker has answered to one request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from jackfield.errors import JackfieldError
from jackfield.loader import Token


class Answer:
    """What has come for one request and was not taken yet."""

    def __init__(self) -> None:
        self.tokens: deque[Token] = deque()
        self.value: Any = None
        self.fault: Callable[[str, str], None] | None = None
        self.error: JackfieldError | None = None
        self.over = False
        self._waiter: asyncio.Future[None] | None = None

    def end(self, error: JackfieldError | None = None) -> None:
        """Nothing more will come."""
        self.over, self.error = True, error
        self.wake()

    def wake(self) -> None:
        """Something has come."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Wait until something comes."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    async def whole(self) -> Any:
        """Wait for its end and return the value.

        Raises:
            JackfieldError: what it ended with instead.
        """
        while not self.over:
            await self.wait()
        if self.error is not None:
            raise again(self.error)
        return self.value


def again(error: JackfieldError) -> JackfieldError:
    """The same error to raise once more: each request has a traceback of its own."""
    return type(error)(error.message, hint=error.hint, **error.details)
