"""Runs the logits processors of plugins in the worker, each behind a guard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from jackfield.loader import LoadedModel
from jackfield.logits import LogitsProcessor
from jackfield.worker.reference import ProcessorReference

log = logging.getLogger("jackfield.worker")


class Guarded:
    """A processor of one request. Once it has failed, the scores stay as they are.

    Args:
        model: what the processor may ask about tokens.
        report: told why it failed.
    """

    def __init__(
        self, reference: ProcessorReference, model: LoadedModel, report: Callable[[str], None]
    ) -> None:
        self._reference = reference
        self._model = model
        self._report = report
        self._processor: LogitsProcessor | None = None
        self._failed = False

    def __call__(self, tokens: Sequence[int], scores: Any) -> Any:
        """The scores as the processor makes them."""
        if self._failed:
            return scores
        before = scores.copy()  # it may have changed some of them before it failed
        try:
            if self._processor is None:
                self._processor = self._reference.resolve()
                self._processor.begin(self._model, tuple(tokens))
            return _checked(self._processor(tokens, scores), scores)
        except BaseException as error:  # SystemExit, or a panic of Rust
            log.exception("A logits processor of plugin %r failed", self._reference.owner)
            self._failed = True
            self._report(f"{type(error).__name__}: {error}")
            return before


def _checked(found: Any, scores: Any) -> Any:
    """What a processor returned, if it can be used.

    Raises:
        TypeError: it is no array of the scores' shape.
        ValueError: it bans every token, or has a score that is infinite or not a number.
    """
    if getattr(found, "shape", None) != scores.shape:
        raise TypeError(f"it returned {found!r:.80} instead of an array of shape {scores.shape}")
    best = found.max()
    if best == float("inf"):
        raise ValueError("it gave a token an infinite score, with which no choice can be made")
    if best != best or best == float("-inf"):
        raise ValueError("it left no token that can be chosen")
    return found.astype(scores.dtype, copy=False)
