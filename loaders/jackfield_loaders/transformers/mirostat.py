"""Mirostat: choices of a steady surprise. Source: Basu et al. 2020, arXiv:2007.14966."""

from __future__ import annotations

import math

import torch

from jackfield import SamplingParams

FITTED = 100
"""Likeliest tokens from which version 1 estimates how fast probabilities fall."""


class Mirostat:
    """Narrows the candidates of one request, and learns from each choice."""

    def __init__(self, params: SamplingParams) -> None:
        self._params = params
        self._most = 2 * params.mirostat_tau

    def choose(self, scores: torch.Tensor, random: torch.Generator) -> int:
        """A token drawn from scores of shape (vocabulary,)."""
        chances, places = scores.softmax(-1).sort(descending=True)
        count = self._fitting(chances) if self._params.mirostat == 1 else self._likely(chances)
        kept = chances[: max(1, count)]
        kept = kept / kept.sum()
        drawn = int(torch.multinomial(kept, 1, generator=random))
        surprise = -math.log2(float(kept[drawn]))
        self._most -= self._params.mirostat_eta * (surprise - self._params.mirostat_tau)
        return int(places[drawn])

    def _likely(self, chances: torch.Tensor) -> int:
        """Version 2: how many candidates are no more surprising than is wanted."""
        return int((chances >= 2.0**-self._most).sum())

    def _fitting(self, chances: torch.Tensor) -> int:
        """Version 1: the same by a Zipf distribution that is fitted to the likeliest tokens."""
        count = len(chances)
        known = chances[chances > 0][:FITTED]
        if len(known) < 2:
            return 1
        ranks = torch.arange(2, len(known) + 1, dtype=torch.float64)
        steps = (ranks / (ranks - 1)).log()
        falls = (known[:-1].double() / known[1:].double()).log()
        exponent = float((steps * falls).sum() / (steps * steps).sum())
        if exponent <= 1e-6:
            return count
        excess = exponent - 1
        factor = 1 / math.log(count)
        if abs(excess) > 1e-6:
            factor = excess / (1 - count**-excess)
        log_k = (math.log(factor) + self._most * math.log(2)) / exponent
        return count if log_k >= math.log(count) else int(math.exp(log_k))
