"""Which caches of Transformers can be cut and joined row by row."""

from __future__ import annotations

import inspect
from typing import Any

from transformers import DynamicCache

PLAIN = frozenset({"DynamicLayer", "DynamicSlidingWindowLayer", "DummyLayer"})
"""Layers of a cache that keep keys and values of each position, or nothing."""


def is_whole(model: Any) -> bool:
    """Whether a model's state is one whole: more than keys and values of each position."""
    if getattr(model, "_is_stateful", False):
        return True
    if not hasattr(DynamicCache(), "layers"):  # before version 4.54 of Transformers
        return True
    if "config" not in inspect.signature(DynamicCache).parameters:
        return False
    try:
        cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    except AttributeError:  # it has no layers of the usual kind: its own cache it knows best
        return True
    return any(type(layer).__name__ not in PLAIN for layer in cache.layers)
