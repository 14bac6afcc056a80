"""KV caches of requests that have ended, for prompts that begin alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

Layers: TypeAlias = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, of shape (1, heads, positions, numbers)."""

Ids: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

LEAST = 16
"""Tokens that two prompts must have in common for it to be worth while."""


class Prefixes:
    """The caches that were used last, as many as there is room for.

    Args:
        room: positions that they and the running requests may take together.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: list[tuple[Ids, Layers]] = []
        self._positions = 0

    def keep(self, tokens: Sequence[int], layers: Layers, taken: int) -> None:
        """Keep a copy of the cache of these tokens, in place of those that it begins with.

        Args:
            taken: positions that running requests take.
        """
        self.shrink(taken)
        if not LEAST <= len(tokens) <= self._room - taken:
            return
        ids = np.array(tokens)
        for place, (other, _) in enumerate(self._kept):
            shared = alike(ids, other)
            if shared == len(ids):
                return
            if shared == len(other):
                self._drop(place)
                break
        copies = [(keys.clone(), values.clone()) for keys, values in layers]
        self._kept.append((ids, copies))
        self._positions += len(ids)
        self.shrink(taken)

    def shrink(self, taken: int) -> None:
        """Drop those that were used longest ago, until there is room beside the requests."""
        while self._kept and self._positions + taken > self._room:
            self._drop(0)

    def longest(self, tokens: Sequence[int]) -> tuple[int, Layers]:
        """How many tokens at the beginning have a cache, and that cache: not to be changed."""
        ids = np.array(tokens)
        shared = [alike(ids, other) for other, _ in self._kept]
        best = max(shared, default=0)
        if best < LEAST:
            return 0, []
        place = shared.index(best)
        self._kept.append(self._kept.pop(place))
        return best, [
            (keys[:, :, :best], values[:, :, :best]) for keys, values in self._kept[-1][1]
        ]

    def clear(self) -> None:
        """Forget all: the model computes differently from now on."""
        self._kept.clear()
        self._positions = 0

    def _drop(self, place: int) -> None:
        ids, _ = self._kept.pop(place)
        self._positions -= len(ids)


def alike(ids: Ids, other: Ids) -> int:
    """How many tokens two prompts have in common at their beginnings."""
    size = min(len(ids), len(other))
    differ = np.flatnonzero(ids[:size] != other[:size])
    return int(differ[0]) if len(differ) else size
