"""What became of the logits processors of a turn."""

from __future__ import annotations

from collections import deque

from jackfield.trace import Trace
from jackfield.turn_plugins import TurnPlugins
from jackfield.worker.reference import ProcessorReference


class Processing:
    """Told of processors that fail in the worker while the reply comes."""

    def __init__(
        self, processors: tuple[ProcessorReference, ...], plugins: TurnPlugins, trace: Trace
    ) -> None:
        self._owners = {one.owner for one in processors}
        self._plugins = plugins
        self._trace = trace
        self._faults: deque[tuple[str, str]] = deque()

    def fault(self, owner: str, words: str) -> None:
        """Take note of a failure."""
        self._faults.append((owner, words))

    def look(self) -> None:
        """Record what has failed by now.

        Raises:
            PluginError: the turn cannot do without the plugin.
        """
        while self._faults:
            owner, words = self._faults.popleft()
            self._owners.discard(owner)
            self._plugins.processor_failed(owner, words, self._trace)

    def went_well(self) -> None:
        """The reply is whole: those that have not failed did what they should."""
        self.look()
        if self._owners:
            self._plugins.processors_went_well(self._owners)
