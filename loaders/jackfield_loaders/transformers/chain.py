"""The samplers that narrow the candidates for the next token, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import MinPLogitsWarper, TopPLogitsWarper, TypicalLogitsWarper

from jackfield import SamplingParams

LEAST = 1e-6
"""A probability that stands for none, where Transformers wants more than 0."""
_NO_TOKENS = torch.zeros((1, 0), dtype=torch.long)
"""What has been written, for warpers that look at the scores alone."""


class Candidates:
    """Tokens that may come next.

    Attributes:
        scores: of shape (candidates,), ``-inf`` for those that are out.
        places: their token ids; None: the candidates are the whole vocabulary.
    """

    def __init__(self, scores: torch.Tensor) -> None:
        self.scores = scores
        self.places: torch.Tensor | None = None

    def token(self, place: int) -> int:
        """The token id of a candidate."""
        return place if self.places is None else int(self.places[place])


class Chain:
    """Samplers in the order that the request gives, those that do nothing left out.

    Args:
        penalize: changes scores of shape (vocabulary,) by a sampler, ``penalties`` or ``dry``.
        random: what chance comes from.
    """

    def __init__(
        self,
        params: SamplingParams,
        order: tuple[str, ...],
        penalize: dict[str, Callable[[torch.Tensor], torch.Tensor]],
        random: torch.Generator,
    ) -> None:
        self._params = params
        self._random = random
        self._penalize = penalize
        self._warpers: dict[str, Any] = {}
        if 0 <= params.typical_p < 1:
            self._warpers["typ_p"] = TypicalLogitsWarper(mass=max(params.typical_p, LEAST))
        if params.top_p < 1:
            self._warpers["top_p"] = TopPLogitsWarper(max(params.top_p, LEAST))
        if params.min_p > 0:
            self._warpers["min_p"] = MinPLogitsWarper(params.min_p)
        own = {
            "top_n_sigma": (params.top_n_sigma > 0, self._near_the_best),
            "top_k": (params.top_k > 0, self._best),
            "xtc": (params.xtc_probability > 0 and params.xtc_threshold <= 0.5, self._surprising),
            "temperature": (True, self._heated),
        }
        steps: list[Callable[[Candidates], None]] = []
        for name in order:
            if name in penalize:
                steps.append(self._penalized(penalize[name]))
            elif name in self._warpers:
                steps.append(self._warped(self._warpers[name]))
            elif name in own and own[name][0]:
                steps.append(own[name][1])
        self._steps = steps

    def choose(self, scores: torch.Tensor) -> int:
        """A token drawn from what is left of scores of shape (vocabulary,)."""
        candidates = Candidates(scores)
        for step in self._steps:
            step(candidates)
        chances = candidates.scores.softmax(-1)
        return candidates.token(int(torch.multinomial(chances, 1, generator=self._random)))

    def _penalized(
        self, penalize: Callable[[torch.Tensor], torch.Tensor]
    ) -> Callable[[Candidates], None]:
        def step(candidates: Candidates) -> None:
            scores, places = candidates.scores, candidates.places
            if places is None:
                candidates.scores = penalize(scores)
            else:
                whole = torch.full((int(places.max()) + 1,), float("-inf"))
                whole[places] = scores
                candidates.scores = penalize(whole)[places]

        return step

    def _warped(self, warper: Any) -> Callable[[Candidates], None]:
        def step(candidates: Candidates) -> None:
            candidates.scores = warper(_NO_TOKENS, candidates.scores[None])[0]

        return step

    def _near_the_best(self, candidates: Candidates) -> None:
        scores = candidates.scores
        finite = scores[scores.isfinite()]
        spread = finite.std() if len(finite) > 1 else 0.0
        floor = finite.max() - self._params.top_n_sigma * spread
        candidates.scores = scores.masked_fill(scores < floor, float("-inf"))

    def _best(self, candidates: Candidates) -> None:
        if self._params.top_k >= len(candidates.scores):
            return
        candidates.scores, places = candidates.scores.topk(self._params.top_k)
        before = candidates.places
        candidates.places = places if before is None else before[places]

    def _surprising(self, candidates: Candidates) -> None:
        """Leave out, by chance, all but the least likely of the tokens above the threshold."""
        if float(torch.rand(1, generator=self._random)) >= self._params.xtc_probability:
            return
        chances = candidates.scores.softmax(-1)
        above = ((chances >= self._params.xtc_threshold) & (chances > 0)).nonzero()[:, 0]
        if len(above) < 2:
            return
        least = above[chances[above].argmin()]
        candidates.scores = candidates.scores.clone()
        candidates.scores[above[above != least]] = float("-inf")

    def _heated(self, candidates: Candidates) -> None:
        candidates.scores = heated(candidates.scores, self._params)


def heated(scores: torch.Tensor, params: SamplingParams) -> torch.Tensor:
    """Scores divided by the temperature, which may follow the model's certainty; 0: the best alone.

    With a range, the temperature moves between ``temperature - range`` and ``temperature + range``
    as the entropy does between none and the most there can be, to the power of the exponent.
    """
    temperature = params.temperature
    if params.dynatemp_range > 0:
        chances = scores.softmax(-1)
        count = int((chances > 0).sum())
        low = max(0.0, temperature - params.dynatemp_range)
        high = temperature + params.dynatemp_range
        part = 0.0
        if count > 1:
            entropy = float(torch.special.entr(chances).sum())
            part = entropy / float(torch.tensor(float(count)).log())
        temperature = low + (high - low) * min(part, 1.0) ** params.dynatemp_exponent
    if temperature <= 0:
        best = torch.full_like(scores, float("-inf"))
        best[scores.argmax()] = 0.0
        return best
    # The best score becomes 0, so that a tiny temperature makes no infinite ones.
    return (scores - scores.max()) / temperature
