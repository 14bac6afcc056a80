"""Something slow, done in a thread while the page stays alive."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Background(Generic[Result]):
    """A call that runs in a thread of its own; a page keeps it in the browser tab's state.

    Args:
        title: what is being done, for the user.
        work: is given a function that takes a line of its output.
    """

    def __init__(self, title: str, work: Callable[[Callable[[str], None]], Result]) -> None:
        self.title = title
        self.lines: list[str] = []
        self.started = time.monotonic()
        executor = ThreadPoolExecutor(max_workers=1)
        self._future: Future[Result] = executor.submit(work, self.lines.append)
        executor.shutdown(wait=False)

    @property
    def done(self) -> bool:
        """Whether it has ended, well or badly."""
        return self._future.done()

    def result(self) -> Result:
        """What came of it; raises what it raised. Only for one that is done."""
        return self._future.result(timeout=0)
