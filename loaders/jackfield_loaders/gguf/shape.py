"""What a GGUF file's metadata says about the model's shape."""

from __future__ import annotations

from typing import Any

import msgspec

LOCAL_EXCEPT = {
    "cohere2": 4,
    "exaone4": 4,
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "olmo2": 4,
    "smallthinker": 4,
}
"""Architectures whose layers slide their window, but every so many (llama.cpp's
``set_swa_pattern``); the files of others say it, or their window is not used."""


class Layer(msgspec.Struct, frozen=True):
    """One layer's part of the KV cache: numbers for one position, and whether its window slides."""

    keys: int
    values: int
    local: bool


class Facts:
    """A model's shape; 0 where the metadata say nothing.

    Attributes:
        cached: the layers that have a KV cache.
        window: positions that a sliding window sees.
        state_bytes: what the recurrent layers keep for one request.
        tensors: number of weights by ggml type.
        table_type: the type of the table of token vectors.
    """

    def __init__(self, metadata: dict[str, Any]) -> None:
        self._metadata = metadata
        self.architecture = str(metadata.get("general.architecture", ""))
        self.trained = self._number("context_length")
        self.embedding = self._number("embedding_length")
        self.feed_forward = self._number("feed_forward_length", 4 * self.embedding)
        self.vocabulary = self._vocabulary()
        self.layers = self._number("block_count")
        self.window = self._number("attention.sliding_window")
        found = metadata.get("tensors")
        self.tensors: dict[str, int] = found if isinstance(found, dict) else {}
        self.table_type = str(metadata.get("table_type", ""))
        self.cached = self._cached()
        recurrent = self.layers - len(self.cached) or self.layers
        self.state_bytes = recurrent * self._state_numbers() * 4

    def _cached(self) -> list[Layer]:
        heads = self._number("attention.head_count", 1) or 1
        length = self.embedding // heads
        keys = self._number("attention.key_length", length)
        values = self._number("attention.value_length", length)
        if self._number("attention.key_length_mla"):
            values = 0  # latent attention keeps keys alone
        local_keys = self._number("attention.key_length_swa", keys)
        local_values = self._number("attention.value_length_swa", values)
        each = self._metadata.get(f"{self.architecture}.attention.head_count_kv")
        own = self.layers - self._number("attention.shared_kv_layers")
        layers = []
        for number in range(own):
            if isinstance(each, list | tuple) and len(each) == self.layers:
                kv_heads = int(each[number])
            else:
                kv_heads = self._number("attention.head_count_kv", heads)
            if not kv_heads:
                continue
            if self._is_local(number):
                layers.append(Layer(kv_heads * local_keys, kv_heads * local_values, True))
            else:
                layers.append(Layer(kv_heads * keys, kv_heads * values, False))
        return layers

    def _is_local(self, layer: int) -> bool:
        stated = self._metadata.get(f"{self.architecture}.attention.sliding_window_pattern")
        if isinstance(stated, list | tuple) and layer < len(stated):
            return bool(stated[layer])
        period = stated if isinstance(stated, int) else LOCAL_EXCEPT.get(self.architecture, 0)
        return bool(self.window and period > 1 and (layer + 1) % period)

    def _vocabulary(self) -> int:
        tokens = self._metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, dict):
            return int(tokens.get("length", 0))
        return self._number("vocab_size", len(tokens or ()))

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
