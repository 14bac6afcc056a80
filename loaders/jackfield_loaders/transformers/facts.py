"""What a model's files say about its shape, without Transformers."""

from __future__ import annotations

from typing import Any

from jackfield import ModelFiles
from jackfield_loaders.transformers.options import DType

SEQ2SEQ = frozenset(
    {
        *("bart", "blenderbot", "blenderbot-small", "longt5", "m2m_100", "marian", "mbart", "mt5"),
        *("mvp", "pegasus", "plbart", "t5", "umt5"),
    }
)
"""Kinds of models that read a text with an encoder and write another with a decoder."""

UNLIMITED = frozenset({"longt5", "mt5", "t5", "umt5"})
"""Those of them that count positions from token to token, which has no end."""

SAVED: dict[str, DType] = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
"""Names of number formats in safetensors files."""


class Facts:
    """A model's shape and format.

    Attributes:
        position_numbers: what the KV cache holds for one position in all layers together.
        kind: what Transformers calls the kind of model, e.g. ``llama``.
        tables: how many tables of token vectors there are: one, or another for the scores.
    """

    def __init__(self, files: ModelFiles) -> None:
        config = dict(files.metadata.get("config") or {})
        if files.format == "gguf":
            config = _of_gguf(files.metadata)
        self.method = str((config.get("quantization_config") or {}).get("quant_method", ""))
        self.own_code = bool(config.get("auto_map"))
        self.architectures = [str(one) for one in config.get("architectures") or ()]
        inner = {**config, **(config.get("text_config") or {})}
        self._config = inner
        self.trained = self._first("max_position_embeddings", "n_positions", "n_ctx")
        self.vocabulary = self._first("vocab_size")
        self.hidden = self._first("hidden_size", "n_embd", "d_model")
        self.layers = self._first("num_hidden_layers", "n_layer", "num_layers")
        heads = self._first("num_attention_heads", "n_head", "num_heads") or 1
        kv_heads = self._first("num_key_value_heads") or heads
        head = self._first("head_dim") or self.hidden // heads
        self.position_numbers = 2 * self.layers * kv_heads * head
        self.kind = str(config.get("model_type", ""))
        if self.seq2seq:
            self._of_two_stacks()
        self.tensors = {str(k): int(v) for k, v in (files.metadata.get("tensors") or {}).items()}
        self.parameters = sum(self.tensors.values())
        # Transformers leaves it out where a model reads and writes with one table.
        self.tables = 1 if inner.get("tie_word_embeddings", True) else 2

    @property
    def saved_as(self) -> DType:
        """The number format that most weights are saved in; ``float32`` if that is unknown."""
        floating = {name: count for name, count in self.tensors.items() if name in SAVED}
        if floating:
            return SAVED[max(floating, key=lambda name: floating[name])]
        named = str(self._config.get("dtype") or self._config.get("torch_dtype") or "float32")
        return next((one for one in SAVED.values() if one == named), "float32")

    @property
    def generates(self) -> bool:
        """Whether it is a causal language model."""
        return any(
            one.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration"))
            for one in self.architectures
        ) and not bool(self._config.get("is_encoder_decoder"))

    @property
    def seq2seq(self) -> bool:
        """Whether it reads a text with an encoder and writes another with a decoder."""
        made = ("ForConditionalGeneration", "LMHeadModel", "MTModel")
        return self.kind in SEQ2SEQ and any(one.endswith(made) for one in self.architectures)

    def context(self, wanted: int) -> int:
        """Tokens of context that a request gets."""
        if self.seq2seq and self.kind in UNLIMITED:
            return wanted or self.trained or 512
        trained = self.trained or 4096
        return min(wanted, trained) if wanted else trained

    def _of_two_stacks(self) -> None:
        """The shape of an encoder and a decoder: Transformers' families name it in two ways."""
        encoder = self._first("encoder_layers", "num_layers")
        decoder = self._first("decoder_layers", "num_decoder_layers") or encoder
        heads = self._first("decoder_attention_heads", "num_heads") or 1
        head = self._first("d_kv") or self.hidden // heads
        self.layers = encoder + decoder
        # The decoder keeps what it wrote and, in the same shape, what the encoder read.
        self.position_numbers = 2 * 2 * decoder * heads * head + self.hidden

    def _first(self, *names: str) -> int:
        for name in names:
            value = self._config.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        return 0


def _of_gguf(metadata: dict[str, Any]) -> dict[str, Any]:
    """The configuration that Transformers makes of a GGUF file, as far as memory goes."""
    kind = metadata.get("general.architecture", "")
    tokens = metadata.get("tokenizer.ggml.tokens")
    length = tokens.get("length") if isinstance(tokens, dict) else len(tokens or ())
    named = {
        "max_position_embeddings": "context_length",
        "hidden_size": "embedding_length",
        "num_hidden_layers": "block_count",
        "num_attention_heads": "attention.head_count",
        "num_key_value_heads": "attention.head_count_kv",
        "head_dim": "attention.key_length",
    }
    shape = {ours: metadata.get(f"{kind}.{theirs}") for ours, theirs in named.items()}
    return {**shape, "vocab_size": length}
