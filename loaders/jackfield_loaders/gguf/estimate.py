"""How much memory a GGUF model takes, from its metadata alone."""

from __future__ import annotations

from typing import Any

from jackfield import MemoryEstimate, ModelFiles
from jackfield_loaders.gguf.options import CACHE_BYTES, GgufOptions
from jackfield_loaders.gguf.pooling import pooling

RUNTIME = 60_000_000
"""Bytes of the worker's interpreter and the engine's libraries."""

BYTES_PER_TOKEN_TEXT = 400
"""Bytes that the engine keeps for each entry of the vocabulary."""


def estimate(files: ModelFiles, options: GgufOptions) -> MemoryEstimate:
    """Weights, KV cache and the rest.

    SmolLM2-135M (Q4_1, 96.6 MB of tensors), resident memory of a bare process with xllamacpp after
    a prompt that fills the batch, in MB:

    ========================  ========  =========
    n_ctx x parallel          measured  estimated
    ========================  ========  =========
    2048 x 1                  221       236
    4096 x 4                  556       567
    ========================  ========  =========

    It is an upper bound for models with sliding windows or with fewer heads in some layers.
    """
    facts = Facts(files.metadata)
    positions = options.context(facts.trained) * options.slots
    per_position = facts.key_numbers * CACHE_BYTES[options.cache_type_k]
    per_position += facts.value_numbers * CACHE_BYTES[options.cache_type_v]
    cache = int(per_position * positions) + facts.state_bytes * options.slots
    batch = min(options.n_ubatch, options.n_batch)
    if pooling(files, options):
        batch = options.context(facts.trained)  # a text is computed in one batch
    compute = 4 * batch * (6 * facts.embedding + 3 * facts.feed_forward)
    overhead = RUNTIME + compute + facts.vocabulary * BYTES_PER_TOKEN_TEXT
    overhead += options.prompt_cache_mb << 20
    return MemoryEstimate(weights=files.size, kv_cache=cache, overhead=overhead)


class Facts:
    """What the metadata says about a model's shape; 0 where it says nothing.

    ``key_numbers`` and ``value_numbers`` are what the KV cache holds for one position in all layers
    together.
    """

    def __init__(self, metadata: dict[str, Any]) -> None:
        self._metadata = metadata
        self.architecture = str(metadata.get("general.architecture", ""))
        self.trained = self._number("context_length")
        self.embedding = self._number("embedding_length")
        self.feed_forward = self._number("feed_forward_length", 4 * self.embedding)
        self.vocabulary = self._vocabulary()
        heads = self._number("attention.head_count", 1) or 1
        length = self.embedding // heads
        layers = self._number("block_count")
        kv_heads = self._kv_heads(layers, heads)
        self.key_numbers = kv_heads * self._number("attention.key_length", length)
        self.value_numbers = kv_heads * self._number("attention.value_length", length)
        self.state_bytes = layers * self._state_numbers() * 4

    def _vocabulary(self) -> int:
        tokens = self._metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, dict):
            return int(tokens.get("length", 0))
        return self._number("vocab_size", len(tokens or ()))

    def _kv_heads(self, layers: int, heads: int) -> int:
        """Key-value heads of all layers together; they may differ by layer."""
        each = self._metadata.get(f"{self.architecture}.attention.head_count_kv")
        if isinstance(each, list | tuple) and len(each) == layers:
            return sum(int(number) for number in each)
        return layers * self._number("attention.head_count_kv", heads)

    def _state_numbers(self) -> int:
        """Numbers in one layer's state of a recurrent (Mamba) model."""
        inner = self._number("ssm.inner_size")
        convolution = max(self._number("ssm.conv_kernel") - 1, 0)
        return inner * (convolution + self._number("ssm.state_size"))

    def _number(self, key: str, otherwise: int = 0) -> int:
        value = self._metadata.get(f"{self.architecture}.{key}", otherwise)
        if isinstance(value, list | tuple):
            return int(max(value, default=otherwise))
        return otherwise if isinstance(value, dict) else int(value)
