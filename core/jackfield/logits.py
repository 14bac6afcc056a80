"""What a plugin may put between a model's scores and the choice of a token."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    from jackfield.loader import LoadedModel

Processing: TypeAlias = Callable[[Sequence[int], Any], Any]
"""What a loader calls at each step of a request; see :meth:`LogitsProcessor.__call__`."""


class LogitsProcessor(msgspec.Struct, dict=True):
    """Changes the scores of the next token, in the worker, at each step of one request.

    Derive a class at the top level of a module; its fields are what the host tells it, of kinds
    that JSON has. The worker imports the module and makes one object for each request, so it may
    keep what it learns in further attributes of its own. Keep heavy imports inside the methods:
    the module is imported in the host too.
    """

    def begin(self, model: LoadedModel, prompt: Sequence[int]) -> None:
        """Called once, before the first token.

        Args:
            model: tells tokens from texts: ``tokenize``, ``detokenize``, ``info``.
            prompt: the prompt's token ids.
        """

    @abstractmethod
    def __call__(self, tokens: Sequence[int], scores: Any) -> Any:
        """The scores by which the next token is chosen, before all sampling parameters.

        Args:
            tokens: ids of the prompt and of the reply so far; not to be changed.
            scores: the model's scores (logits), a numpy array of float32 and of shape
                ``(vocabulary,)`` that may be changed in place. ``-inf`` bans a token.

        Returns:
            An array like ``scores``, or ``scores`` itself.
        """
