"""How much memory a model takes, and on which devices."""

from __future__ import annotations

from collections.abc import Mapping

from jackfield import MemoryEstimate, ModelFiles
from jackfield_loaders.transformers.facts import Facts
from jackfield_loaders.transformers.options import DTYPE_BYTES, TransformersOptions

RUNTIME = 470_000_000
"""Bytes of the worker's interpreter with PyTorch and Transformers imported."""

HALVES = 40_000_000
"""Bytes that a processor takes, on top, to compute in 16 bits: none to 90 MB by its model."""

FOUR_BITS = 45_000_000
"""Bytes of bitsandbytes, on top."""

DRIVER = 450_000_000
"""Bytes that a CUDA context takes on its device."""

STEP_NUMBERS = 4
"""Copies of the scores of one step, in float32, that sampling keeps at a time."""

QUANTIZED = {"8-bit": 1.0, "4-bit": 0.5 + 1 / 64 + 4 / (64 * 256)}
"""Bytes of one weight. Of 4-bit ones 64 share a scale of one byte, and 256 scales one of four."""

DISK = "disk"
"""Where accelerate keeps weights that no device holds."""


class Sizes:
    """Bytes of a model's parts with some options.

    Attributes:
        table: one table of token vectors.
        layer: one layer.
        cache: the KV cache of all slots when they are full.
        step: what sampling takes.
        runtime: what the libraries take in main memory.
    """

    def __init__(self, files: ModelFiles, options: TransformersOptions) -> None:
        facts = Facts(files)
        number = DTYPE_BYTES.get(options.dtype, 4)
        table = facts.vocabulary * facts.hidden
        rest = max(0, facts.parameters - facts.tables * table)
        if facts.method or not facts.parameters:  # the files are as short as the weights stay
            table_bytes = min(table * number, files.size // (facts.tables + 1))
            rest_bytes = files.size - facts.tables * table_bytes
        else:
            table_bytes = table * number
            rest_bytes = int(rest * QUANTIZED.get(options.quantization, number))
        self.table, self.tables = table_bytes, facts.tables
        self.layers = max(1, facts.layers)
        self.layer = rest_bytes // self.layers
        self.weights = facts.tables * table_bytes + rest_bytes
        positions = facts.context(options.n_ctx) * options.parallel
        self.cache = facts.position_numbers * number * positions
        self.step = STEP_NUMBERS * 4 * facts.vocabulary * options.parallel
        self.runtime = RUNTIME + (FOUR_BITS if options.quantization == "4-bit" else 0)
        if number == DTYPE_BYTES["bfloat16"]:
            self.runtime += HALVES

    def spread(self, limits: Mapping[str, int]) -> dict[str, int]:
        """Bytes of weights on each device if they are filled in turn; the rest is on disk.

        As accelerate does it: the first card and main memory keep room for the largest part that
        is fetched from further down.
        """
        parts = [self.table, *[self.layer] * self.layers, *[self.table] * (self.tables - 1)]
        devices = list(limits)
        found = dict.fromkeys(devices, 0)
        for device in devices:
            while parts:
                kept = max(parts[1:], default=0) if device in (devices[0], "cpu") else 0
                if found[device] + parts[0] + kept > limits[device]:
                    break
                found[device] += parts.pop(0)
        return {**found, DISK: sum(parts)}


def estimate(files: ModelFiles, options: TransformersOptions) -> MemoryEstimate:
    """Weights, the KV cache of all slots when they are full, and what the libraries take."""
    sizes = Sizes(files, options)
    if options.max_memory:
        return _spread(sizes, options)
    if options.device == "cpu":
        return MemoryEstimate(sizes.weights, sizes.cache, sizes.runtime + sizes.step)
    host = MemoryEstimate(0, 0, 2 * RUNTIME)
    return MemoryEstimate(sizes.weights, sizes.cache, DRIVER + sizes.step, options.device, (host,))


def _spread(sizes: Sizes, options: TransformersOptions) -> MemoryEstimate:
    """Weights where they are kept; the cache where layers are computed: on cards, if there are."""
    found = sizes.spread(options.limits)
    cards = [device for device in options.limits if device != "cpu"]
    away = found[DISK] + (found.get("cpu", 0) if cards else 0)
    fetched = sizes.layer if away else 0
    if not cards:
        overhead = sizes.runtime + sizes.step + fetched
        return MemoryEstimate(found["cpu"], sizes.cache, overhead)
    there = sum(found[card] for card in cards) or 1
    caches = {card: sizes.cache * found[card] // there for card in cards}
    # What is kept elsewhere is computed on the first card, its cache beside it.
    caches[cards[0]] += sizes.cache * away // (away + there) if away else 0
    first, *others = cards
    elsewhere = [MemoryEstimate(found[one], caches[one], DRIVER, one) for one in others]
    elsewhere.append(MemoryEstimate(found.get("cpu", 0), 0, 2 * RUNTIME))
    overhead = DRIVER + sizes.step + fetched
    return MemoryEstimate(found[first], caches[first], overhead, first, tuple(elsewhere))
