"""DRY: the longer a sequence is that a token would repeat, the less likely the token becomes.

Source: p-e-w, text-generation-webui pull request 5677.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jackfield import SamplingParams

HIGHEST = 1e30
"""Penalties grow no further: it is a ban by then."""


class Dry:
    """The penalties of one request.

    Args:
        spell: the text of a token by itself, for the texts across which nothing is matched.
    """

    def __init__(self, params: SamplingParams, spell: Callable[[int], str]) -> None:
        self._params = params
        self._spell = spell
        self._breakers = [one for one in params.dry_sequence_breakers if one]
        self._longest = max(map(len, self._breakers), default=1)
        self._spelled: dict[int, str] = {}
        self._tokens: list[int] = []
        self._text = ""
        self._since = 0

    def accept(self, token: int) -> None:
        """Take note of a token of the prompt or the reply."""
        self._tokens.append(token)
        if not self._breakers:
            self._since += 1
            return
        text = self._text[1 - self._longest :] if self._longest > 1 else ""
        if token not in self._spelled:
            self._spelled[token] = self._spell(token)
        new = self._spelled[token]
        whole = text + new
        broken = any(
            whole.find(one, max(0, len(text) - len(one) + 1)) >= 0 for one in self._breakers
        )
        self._since = 0 if broken else self._since + 1
        self._text = whole[-self._longest :]

    def penalties(self) -> dict[int, float]:
        """What to subtract from the scores of tokens."""
        params = self._params
        allowed = max(params.dry_allowed_length, 1)
        steps = math.log(HIGHEST) / math.log(params.dry_base) if params.dry_base > 1 else 0.0
        longest = min(self._since, allowed + math.ceil(steps))
        if longest < allowed or not params.dry_multiplier:
            return {}
        window = params.dry_penalty_last_n
        tokens = self._tokens if window < 0 else self._tokens[max(0, len(self._tokens) - window) :]
        return {
            token: min(params.dry_multiplier * params.dry_base ** (length - allowed), HIGHEST)
            for token, length in repeated(np.array(tokens), longest).items()
            if length >= allowed
        }


def repeated(tokens: Any, longest: int) -> dict[int, int]:
    """How long a sequence each token would repeat, were it next.

    Args:
        tokens: all so far, of shape (tokens,).
        longest: at which matching stops.

    Returns:
        Tokens that followed an earlier occurrence of what the text ends with, with the length of
        the longest one.
    """
    last = len(tokens) - 1
    if last < 1:
        return {}
    places: Any = np.arange(last)
    lengths = np.zeros(last, np.int64)
    for length in range(1, longest + 1):
        places = places[places >= length - 1]
        places = places[tokens[places - length + 1] == tokens[last - length + 1]]
        if not len(places):
            break
        lengths[places] = length
    (found,) = np.nonzero(lengths)
    order = found[lengths[found].argsort(kind="stable")]  # so that the longest is noted last
    return dict(zip(tokens[order + 1].tolist(), lengths[order].tolist(), strict=True))
