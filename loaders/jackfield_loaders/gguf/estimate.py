"""How much memory a GGUF model takes, from its metadata alone."""

from __future__ import annotations

import platform

from jackfield import MemoryEstimate, ModelFiles
from jackfield_loaders.gguf.options import CACHE_BYTES, GgufOptions
from jackfield_loaders.gguf.pooling import ENCODERS, pooling
from jackfield_loaders.gguf.shape import Facts

RUNTIME = 80_000_000
"""Bytes of the worker's interpreter, the engine's libraries and its server."""

DRIVER = 450_000_000
"""Bytes that a CUDA context takes on its device."""

BYTES_PER_TOKEN_TEXT = 400
"""Bytes that the engine keeps for each entry of the vocabulary."""

PADDING = 256
"""The engine rounds the positions of a cache up to a multiple of this."""

REPACKED = {
    "x86_64": ("Q4_0", "Q4_K", "IQ4_NL"),
    "AMD64": ("Q4_0", "Q4_K", "IQ4_NL"),
    "aarch64": ("Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL"),
    "arm64": ("Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL"),
}
"""Tensor types of which the engine makes a second copy, in an order that the processor reads
faster (ggml's ``repack.cpp``). The file's own pages stay in the process where it is mapped."""

BLOCKS = {
    "Q4_0": 18 / 32,
    "IQ4_NL": 18 / 32,
    "Q8_0": 34 / 32,
    "Q4_K": 144 / 256,
    "Q5_K": 176 / 256,
    "Q6_K": 210 / 256,
}
"""Bytes of one number in these types."""


def estimate(files: ModelFiles, options: GgufOptions) -> MemoryEstimate:
    """Weights, KV cache and the rest, by device; tests/loaders/test_estimates.py measures it."""
    facts = Facts(files.metadata)
    compute = _compute(files, facts, options)
    cache = cache_bytes(facts, options)
    on_gpu = part_on_gpu(facts, options)
    weights_there = int(files.size * on_gpu)
    cache_there = int(cache * min(1.0, on_gpu * (facts.layers + 1) / max(facts.layers, 1)))
    if not options.offload_kv:
        cache_there = 0
    here = MemoryEstimate(
        weights=files.size - weights_there + int(_repacked(facts, options) * (1 - on_gpu)),
        kv_cache=cache - cache_there,
        overhead=RUNTIME
        + (0 if on_gpu else compute)
        + facts.vocabulary * BYTES_PER_TOKEN_TEXT
        + (options.prompt_cache_mb << 20),
    )
    if not on_gpu:
        return here
    there = tuple(
        MemoryEstimate(int(weights_there * part), int(cache_there * part), DRIVER + compute, device)
        for device, part in devices(options).items()
    )
    return MemoryEstimate(here.weights, here.kv_cache, here.overhead, elsewhere=there)


def part_on_gpu(facts: Facts, options: GgufOptions) -> float:
    """The part of the weights on accelerators; the output layer counts as one more layer."""
    if options.n_gpu_layers <= 0:
        return 0.0  # settled options say how many; unsettled ones are for a processor
    return min(1.0, options.n_gpu_layers / (facts.layers + 1))


def devices(options: GgufOptions) -> dict[str, float]:
    """Accelerators and their parts of what is on accelerators."""
    shares = options.tensor_split if options.split_mode != "none" else []
    total = sum(shares)
    if not total:
        return {f"cuda:{options.main_gpu}": 1.0}
    return {f"cuda:{number}": one / total for number, one in enumerate(shares) if one}


def cache_bytes(facts: Facts, options: GgufOptions) -> int:
    """The KV cache of all slots, and the states of recurrent layers.

    A layer with a sliding window keeps the window and one batch, unless ``swa_full``.
    """
    if facts.architecture in ENCODERS:
        return 0  # they read a text in one go
    context = _padded(options.context(facts.trained))
    window = context
    if facts.window and not options.swa_full:
        window = min(context, _padded(facts.window + min(options.n_ubatch, options.n_batch)))
    keys, values = CACHE_BYTES[options.cache_type_k], CACHE_BYTES[options.cache_type_v]
    each = sum(
        (window if layer.local else context) * (layer.keys * keys + layer.values * values)
        for layer in facts.cached
    )
    return int(each + facts.state_bytes) * options.slots


def _padded(positions: int) -> int:
    return -(-positions // PADDING) * PADDING


def _compute(files: ModelFiles, facts: Facts, options: GgufOptions) -> int:
    """The buffers of one batch."""
    batch = min(options.n_ubatch, options.n_batch)
    if pooling(files, options):
        batch = options.context(facts.trained)  # a text is computed in one batch
    return 4 * batch * (6 * facts.embedding + 3 * facts.feed_forward)


def _repacked(facts: Facts, options: GgufOptions) -> int:
    """Bytes of the second copies."""
    if not options.use_mmap:
        return 0
    table = facts.vocabulary * facts.embedding  # it is looked up, never multiplied
    return sum(
        int((count - (table if kind == facts.table_type else 0)) * BLOCKS[kind])
        for kind in REPACKED.get(platform.machine(), ())
        if (count := facts.tensors.get(kind, 0))
    )
