"""One request in a batch."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from jackfield import JackfieldError, LoaderError
from jackfield_loaders.transformers.sampler import Choice, Sampler

log = logging.getLogger(__name__)


class Row:
    """One request.

    Attributes:
        prompt: its token ids.
        limit: most tokens to choose.
        ends: tokens that end it.
        made: tokens chosen so far.
        cached: tokens of the prompt that were computed before, for another request.
        cancelled: whoever asked has left.
        failure: why it cannot go on.
        gone: set when it holds no slot any more.
    """

    def __init__(
        self, prompt: Sequence[int], sampler: Sampler, limit: int, ends: frozenset[int]
    ) -> None:
        self.prompt = list(prompt)
        self.sampler = sampler
        self.limit = limit
        self.ends = ends
        self.tokens = list(prompt)
        self.made = 0
        self.cached = 0
        self.cancelled = False
        self.failure: JackfieldError | None = None
        self.gone = threading.Event()
        self._choices: queue.SimpleQueue[Choice | JackfieldError | None] = queue.SimpleQueue()

    @property
    def length(self) -> int:
        """Positions in the KV cache."""
        return len(self.prompt) + self.made - 1

    def next(self) -> Choice | None:
        """Wait for the next choice; None at the end.

        Raises:
            JackfieldError: the computation failed.
        """
        found = self._choices.get()
        if isinstance(found, JackfieldError):
            raise found
        return found

    def take(self, choice: Choice) -> bool:
        """Note a choice; whether the row goes on."""
        self.made += 1
        self.tokens.append(choice.token)
        self.sampler.accept(choice.token)
        self._choices.put(choice)
        return choice.token not in self.ends and self.made < self.limit and not self.sampler.over

    def advance(self, choose: Callable[[], Choice]) -> bool:
        """Choose a token; whether the row goes on. A failure is this row's alone."""
        try:
            return self.take(choose())
        except JackfieldError as error:
            self.failure = error
        except BaseException as error:  # of a processor, or a panic of Rust
            log.warning("A token could not be chosen", exc_info=error)
            reason = str(error) or type(error).__name__
            self.failure = LoaderError(f"A token could not be chosen: {reason}")
        return False

    def end(self, error: JackfieldError | None = None) -> None:
        """Nothing more will come, and the slot is free."""
        self._choices.put(error or self.failure)
        self.gone.set()


class Arrival:
    """A request whose prompt is being computed.

    Attributes:
        cache: what was computed so far; None: the model makes its own.
        done: tokens of the prompt in it.
    """

    def __init__(self, row: Row, cache: Any, done: int) -> None:
        self.row = row
        self.cache = cache
        self.done = done
