"""What a model's own generation settings forbid and force, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    ForcedBOSTokenLogitsProcessor,
    LogitsProcessorList,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    NoBadWordsLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
)


class Rules:
    """Applied to the scores of each step before anything that a request asks for.

    What a forced end token says at the greatest length is not here: it adds nothing to a text, and
    a reply that was cut has to say so.

    Args:
        config: the model's ``GenerationConfig``.
        ends: tokens that end a reply.
    """

    def __init__(self, config: Any, ends: frozenset[int]) -> None:
        found: list[Any] = []
        last = sorted(ends)
        if config.no_repeat_ngram_size:
            found.append(NoRepeatNGramLogitsProcessor(config.no_repeat_ngram_size))
        if config.bad_words_ids:
            found.append(NoBadWordsLogitsProcessor(config.bad_words_ids, last))
        if config.min_length and last:
            found.append(MinLengthLogitsProcessor(config.min_length, last))
        if config.min_new_tokens and last:
            found.append(MinNewTokensLengthLogitsProcessor(1, config.min_new_tokens, last))
        if config.forced_bos_token_id is not None:
            found.append(ForcedBOSTokenLogitsProcessor(config.forced_bos_token_id))
        if config.suppress_tokens:
            found.append(SuppressTokensLogitsProcessor(config.suppress_tokens))
        if config.begin_suppress_tokens:
            first = 1 if config.forced_bos_token_id is None else 2
            found.append(SuppressTokensAtBeginLogitsProcessor(config.begin_suppress_tokens, first))
        self._processors = LogitsProcessorList(found)

    def __call__(self, written: Sequence[int], logits: torch.Tensor) -> torch.Tensor:
        """Scores in float32 and of shape (vocabulary,), in main memory.

        Args:
            written: the decoder's tokens so far, the one it starts from first.
        """
        scores = logits.float().cpu()
        if not self._processors:
            return scores
        ruled: torch.Tensor = self._processors(torch.tensor([list(written)]), scores[None])[0]
        return ruled
