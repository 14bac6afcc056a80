"""What a model's configuration says, without Transformers."""

from __future__ import annotations

from jackfield import MemoryEstimate, ModelFiles
from jackfield_loaders.transformers.options import DTYPE_BYTES, TransformersOptions

RUNTIME = 420_000_000
"""Bytes of the worker's interpreter with PyTorch and Transformers imported."""

DRIVER = 450_000_000
"""Bytes that a CUDA context takes on its device."""

STEP_NUMBERS = 4
"""Copies of the scores of one step, in float32, that sampling keeps at a time."""

SAVED = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
"""Names of number formats in safetensors files."""


class Facts:
    """A model's shape and format.

    ``position_numbers`` is what the KV cache holds for one position in all layers together.
    """

    def __init__(self, files: ModelFiles) -> None:
        config = dict(files.metadata.get("config") or {})
        self.method = str((config.get("quantization_config") or {}).get("quant_method", ""))
        self.own_code = bool(config.get("auto_map"))
        self.architectures = [str(one) for one in config.get("architectures") or ()]
        inner = {**config, **(config.get("text_config") or {})}
        self._config = inner
        self.trained = self._first("max_position_embeddings", "n_positions", "n_ctx")
        self.vocabulary = self._first("vocab_size")
        self.hidden = self._first("hidden_size", "n_embd", "d_model")
        layers = self._first("num_hidden_layers", "n_layer", "num_layers")
        heads = self._first("num_attention_heads", "n_head", "num_heads") or 1
        kv_heads = self._first("num_key_value_heads") or heads
        head = self._first("head_dim") or self.hidden // heads
        self.position_numbers = 2 * layers * kv_heads * head
        self.tensors = {str(k): int(v) for k, v in (files.metadata.get("tensors") or {}).items()}
        self.parameters = sum(self.tensors.values())

    @property
    def saved_as(self) -> str:
        """The number format that most weights are saved in; ``float32`` if that is unknown."""
        floating = {name: count for name, count in self.tensors.items() if name in SAVED}
        if floating:
            return SAVED[max(floating, key=lambda name: floating[name])]
        named = str(self._config.get("dtype") or self._config.get("torch_dtype") or "float32")
        return named if named in DTYPE_BYTES else "float32"

    @property
    def generates(self) -> bool:
        """Whether it is a causal language model."""
        return any(
            one.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration"))
            for one in self.architectures
        ) and not bool(self._config.get("is_encoder_decoder"))

    def context(self, wanted: int) -> int:
        """Tokens of context that a request gets."""
        trained = self.trained or 4096
        return min(wanted, trained) if wanted else trained

    def _first(self, *names: str) -> int:
        for name in names:
            value = self._config.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        return 0


def estimate(files: ModelFiles, options: TransformersOptions) -> MemoryEstimate:
    """Weights, the KV cache of all slots when they are full, and what the libraries take."""
    facts = Facts(files)
    size = DTYPE_BYTES.get(options.dtype, 4)
    if facts.method or not facts.parameters:
        weights = files.size
    elif options.quantization == "8-bit":
        table = facts.vocabulary * facts.hidden  # embeddings are not quantized
        weights = table * size + max(0, facts.parameters - table)
    else:
        weights = facts.parameters * size
    positions = facts.context(options.n_ctx) * options.parallel
    cache = facts.position_numbers * size * positions
    step = STEP_NUMBERS * 4 * facts.vocabulary * options.parallel
    if options.device == "cpu":
        return MemoryEstimate(weights, cache, RUNTIME + step)
    return MemoryEstimate(
        weights, cache, DRIVER + step, options.device, (MemoryEstimate(0, 0, 2 * RUNTIME),)
    )
