"""How soon a model that died may be loaded again."""

from __future__ import annotations

import time
from collections import defaultdict, deque

from jackfield.errors import LoadFailed


class Restarts:
    """Counts deaths and failed loads per model, and spaces out new tries.

    Args:
        delays: seconds between the last death and the next try, by how many deaths there were.
        window: seconds after which a death is forgotten.
        most: with so many deaths in the window, only the user may load the model again.
    """

    def __init__(
        self,
        *,
        delays: tuple[float, ...] = (0, 1, 2, 5),
        window: float = 60,
        most: int = 5,
    ) -> None:
        self._delays = delays
        self._window = window
        self._most = most
        self._deaths: defaultdict[str, deque[float]] = defaultdict(deque)

    def note(self, model: str) -> None:
        """The model died or could not be loaded."""
        self._deaths[model].append(time.monotonic())

    def forget(self, model: str) -> None:
        """The user wants it loaded: start counting anew."""
        self._deaths.pop(model, None)

    def delay(self, model: str) -> float:
        """Seconds to wait before the next try.

        Raises:
            LoadFailed: it died too often; only loading it by hand helps.
        """
        now = time.monotonic()
        deaths = self._deaths[model]
        while deaths and now - deaths[0] > self._window:
            deaths.popleft()
        if not deaths:
            return 0.0
        if len(deaths) >= self._most:
            raise LoadFailed(
                f"Model {model!r} ended {len(deaths)} times within {self._window:.0f} seconds and "
                "is not started again by itself.",
                hint="Look at its log, change its load options, then load it: "
                f"jackfield models load {model}",
                model=model,
                deaths=len(deaths),
            )
        wait = self._delays[min(len(deaths), len(self._delays)) - 1]
        return max(0.0, deaths[-1] + wait - now)
