"""Chooses the next token of one request from the model's scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from jackfield import SamplingParams

FIELDS = frozenset(
    {
        *("temperature", "max_tokens", "stop", "top_p", "frequency_penalty", "presence_penalty"),
        *("seed", "top_k", "min_p", "typical_p", "top_n_sigma", "xtc_probability"),
        *("xtc_threshold", "repeat_penalty", "repeat_last_n", "logit_bias", "banned_strings"),
        *("ignore_eos", "logprobs"),
    }
)
"""Sampling parameters that take effect."""


Processor = Callable[[Sequence[int], Any], Any]
"""Changes scores, a numpy array of shape (vocabulary,), given the tokens so far."""


class Choice(NamedTuple):
    """A chosen token, its natural-log probability and the likeliest, before any sampler."""

    token: int
    logprob: float | None
    top: tuple[tuple[int, float], ...]


class Sampler:
    """Samples for one request, in the order of llama.cpp: penalties, candidates, temperature.

    Args:
        params: how to choose.
        vocabulary: number of scores.
        seen: the prompt's tokens, which the penalties look at too.
        bias: what to add to the scores of tokens.
        processors: asked first, one after the other.
    """

    def __init__(
        self,
        params: SamplingParams,
        vocabulary: int,
        seen: Sequence[int],
        bias: dict[int, float],
        processors: Sequence[Processor] = (),
    ) -> None:
        self._params = params
        self._processors = tuple(processors)
        self._seen = list(seen)
        self._bias: torch.Tensor | None = None
        if bias:
            self._bias = torch.zeros(vocabulary)
            self._bias[list(bias)] = torch.tensor(list(bias.values()))
        self._random = torch.Generator()
        if params.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(params.seed)
        self._warpers = _warpers(params)
        penalized = params.repeat_penalty != 1 and params.repeat_last_n != 0
        self._repetition = (
            RepetitionPenaltyLogitsProcessor(params.repeat_penalty) if penalized else None
        )
        self.greedy = params.temperature <= 0 or params.top_k == 1
        self.plain = (
            self.greedy
            and params.logprobs is None
            and self._bias is None
            and not self._processors
            and not (penalized or params.frequency_penalty or params.presence_penalty)
        )
        """Whether the likeliest token is the answer, so that a whole batch can be asked at once."""

    def accept(self, token: int) -> None:
        """Take note of a chosen token."""
        self._seen.append(token)

    def choose(self, logits: torch.Tensor) -> Choice:
        """The next token from scores of shape (vocabulary,)."""
        scores = logits.float().cpu()
        logprobs = None if self._params.logprobs is None else scores.log_softmax(-1)
        scores = self._adjusted(scores)
        token = int(scores.argmax()) if self.greedy else self._sampled(scores)
        if logprobs is None:
            return Choice(token, None, ())
        best = logprobs.topk(self._params.logprobs or 0)
        top = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return Choice(token, min(float(logprobs[token]), 0.0), tuple(top))

    def _adjusted(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores with bias and penalties."""
        params = self._params
        for processor in self._processors:
            scores = torch.from_numpy(processor(self._seen, scores.numpy()))
        if self._bias is not None:
            scores = scores + self._bias
        recent = self._seen if params.repeat_last_n < 0 else self._seen[-params.repeat_last_n :]
        if not params.repeat_last_n or not recent:
            return scores
        if self._repetition is not None:
            scores = self._repetition(torch.tensor([recent]), scores[None])[0]
        if params.frequency_penalty or params.presence_penalty:
            counts = Counter(recent)
            places = torch.tensor(list(counts))
            often = torch.tensor(list(counts.values()), dtype=scores.dtype)
            scores = scores.clone()
            scores[places] -= params.frequency_penalty * often + params.presence_penalty
        return scores

    def _sampled(self, scores: torch.Tensor) -> int:
        """A token drawn from the candidates that the samplers leave."""
        params = self._params
        places: torch.Tensor | None = None
        if params.top_n_sigma >= 0:
            finite = scores[scores.isfinite()]
            floor = finite.max() - params.top_n_sigma * finite.std()
            scores = scores.masked_fill(scores < floor, float("-inf"))
        if 0 < params.top_k < len(scores):
            scores, places = scores.topk(params.top_k)
        row = scores[None]
        row = self._warpers(_NO_TOKENS, row)
        if params.xtc_probability and params.xtc_threshold <= 0.5:
            row = self._without_top_choices(row)
        probabilities = (row[0] / params.temperature).softmax(-1)
        drawn = int(torch.multinomial(probabilities, 1, generator=self._random))
        return drawn if places is None else int(places[drawn])

    def _without_top_choices(self, row: torch.Tensor) -> torch.Tensor:
        """Leave out, by chance, all but the least likely of the tokens above the threshold."""
        if float(torch.rand(1, generator=self._random)) >= self._params.xtc_probability:
            return row
        probabilities = row[0].softmax(-1)
        above = (probabilities >= self._params.xtc_threshold).nonzero()[:, 0]
        if len(above) < 2:
            return row
        least = above[probabilities[above].argmin()]
        row = row.clone()
        row[0, above[above != least]] = float("-inf")
        return row


_NO_TOKENS = torch.zeros((1, 0), dtype=torch.long)
"""What has been written, for warpers that look at the scores alone."""


def _warpers(params: SamplingParams) -> LogitsProcessorList:
    """Transformers' own, which narrow the candidates."""
    found: list[Any] = []
    if 0 < params.typical_p < 1:
        found.append(TypicalLogitsWarper(mass=params.typical_p))
    if params.top_p < 1:
        found.append(TopPLogitsWarper(max(params.top_p, 1e-6)))
    if params.min_p > 0:
        found.append(MinPLogitsWarper(params.min_p))
    return LogitsProcessorList(found)
