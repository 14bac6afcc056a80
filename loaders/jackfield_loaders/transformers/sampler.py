"""Chooses the next token of one request from the model's scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from transformers import RepetitionPenaltyLogitsProcessor

from jackfield import SAMPLERS, InvalidRequest, SamplingParams
from jackfield_loaders.transformers.chain import Chain, heated
from jackfield_loaders.transformers.constraint import Constraint
from jackfield_loaders.transformers.dry import Dry
from jackfield_loaders.transformers.mirostat import Mirostat

FIELDS = frozenset(SamplingParams.model_fields)
"""Sampling parameters that take effect: all."""

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
        constraint: what the reply must follow.
        spell: the text of a token, for DRY's sequence breakers.
    """

    def __init__(
        self,
        params: SamplingParams,
        vocabulary: int,
        seen: Sequence[int],
        bias: dict[int, float],
        processors: Sequence[Processor] = (),
        *,
        constraint: Constraint | None = None,
        spell: Callable[[int], str],
    ) -> None:
        self._params = params
        self._processors = tuple(processors)
        self._constraint = constraint
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
        order = tuple(params.samplers) or SAMPLERS
        self._dry = Dry(params, spell) if params.dry_multiplier and "dry" in order else None
        if self._dry is not None:
            for token in seen:
                self._dry.accept(token)
        self._repetition: Any = None
        if params.repeat_penalty != 1:
            self._repetition = RepetitionPenaltyLogitsProcessor(params.repeat_penalty)
        self._changes = self._penalties(order)
        self._mirostat = Mirostat(params) if params.mirostat else None
        self._chain = Chain(params, order, self._changes, self._random)
        self._greedy = self._is_greedy()
        self.plain = (
            self._greedy
            and params.logprobs is None
            and not (self._changes or self._processors)
            and constraint is None
            and self._bias is None
        )
        """Whether the likeliest token is the answer, so that a whole batch can be asked at once."""

    @property
    def over(self) -> bool:
        """Whether what the reply must follow allows nothing more."""
        return self._constraint is not None and self._constraint.over

    def accept(self, token: int) -> None:
        """Take note of a chosen token."""
        self._seen.append(token)
        if self._dry is not None:
            self._dry.accept(token)
        if self._constraint is not None:
            self._constraint.accept(token)

    def choose(self, logits: torch.Tensor) -> Choice:
        """The next token from scores of shape (vocabulary,).

        Raises:
            InvalidRequest: no token is left.
        """
        scores = logits.float().cpu()
        logprobs = None if self._params.logprobs is None else scores.log_softmax(-1)
        token = self._chosen(self._allowed(scores))
        if logprobs is None:
            return Choice(token, None, ())
        best = logprobs.topk(self._params.logprobs or 0)
        top = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return Choice(token, min(float(logprobs[token]), 0.0), tuple(top))

    def _is_greedy(self) -> bool:
        """Whether the likeliest token after the penalties is the answer."""
        params = self._params
        if params.temperature <= 0 and params.dynatemp_range <= 0:
            # These two may leave out the likeliest, and the next one is the answer.
            return bool(self._mirostat) or (params.xtc_probability == 0 and params.typical_p == 1)
        return params.top_k == 1 and not params.samplers and self._mirostat is None

    def _penalties(self, order: tuple[str, ...]) -> dict[str, Callable[[Any], Any]]:
        """What the samplers named ``penalties`` and ``dry`` do, if they do anything."""
        params = self._params
        found: dict[str, Callable[[Any], Any]] = {}
        asked = self._repetition or params.frequency_penalty or params.presence_penalty
        if asked and params.repeat_last_n and "penalties" in order:
            found["penalties"] = self._penalized
        if self._dry is not None:
            found["dry"] = self._dried
        return found

    def _allowed(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores as plugins, the constraint and the bias make them."""
        if not self._processors and self._constraint is None and self._bias is None:
            return scores
        for processor in self._processors:
            scores = torch.from_numpy(processor(self._seen, scores.numpy()))
        if self._constraint is not None:
            scores = self._constraint.applied(scores)
        if self._bias is not None:
            scores = scores + self._bias
        if float(scores.max()) == float("-inf"):
            raise InvalidRequest(
                "No token is left to choose: all that may come next is banned.",
                hint="Ban fewer tokens, or loosen what the reply must follow.",
            )
        return scores

    def _chosen(self, scores: torch.Tensor) -> int:
        if not self._greedy and self._mirostat is None:
            return self._chain.choose(scores)
        for change in self._changes.values():
            scores = change(scores)
        if self._greedy or self._mirostat is None:
            return int(scores.argmax())
        return self._mirostat.choose(heated(scores, self._params), self._random)

    def _penalized(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores with the three penalties; tokens beyond them are no candidates any more."""
        params = self._params
        recent = self._seen if params.repeat_last_n < 0 else self._seen[-params.repeat_last_n :]
        recent = [token for token in recent if token < len(scores)]
        if not recent:
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

    def _dried(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores with DRY's penalties."""
        assert self._dry is not None
        penalties = self._dry.penalties()
        tokens = [token for token in penalties if token < len(scores)]
        if tokens:
            scores = scores.clone()
            scores[tokens] -= torch.tensor([penalties[token] for token in tokens])
        return scores
