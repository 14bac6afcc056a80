"""How a GGUF model is loaded."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import field_validator, model_validator

from jackfield import Field, LoadOptions

CacheType: TypeAlias = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]

CACHE_BYTES: dict[str, float] = {
    "f32": 4,
    "f16": 2,
    "bf16": 2,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
}
"""Bytes of one number in the KV cache; the quantized types hold blocks of 32."""


class GgufOptions(LoadOptions):
    """The load form of GGUF models."""

    engine: Literal["xllamacpp", "llama-cpp-python"] = Field(
        "xllamacpp",
        title="Engine",
        description="Which build of llama.cpp runs the model. xllamacpp answers several requests "
        "at once; llama-cpp-python is compiled on your machine and answers one at a time.",
    )
    n_ctx: int = Field(
        4096,
        title="Context length",
        ge=0,
        le=10_000_000,
        description="How many tokens of conversation and reply one request can "
        "hold. More takes more memory. 0: what the model was trained for, or less so that it "
        "fits.",
    )
    parallel: int = Field(
        4,
        title="Requests at once",
        ge=1,
        le=64,
        description="How many requests are answered at once; each has a context of its own, so "
        "memory grows with it. llama-cpp-python always answers one.",
    )
    n_gpu_layers: int = Field(
        -1,
        title="Layers on the GPU",
        ge=-1,
        le=1000,
        description="Layers of the model put on the GPU. -1: as many as fit; 0: none. Without a "
        "GPU build of the engine it changes nothing.",
    )
    n_threads: int = Field(
        0,
        title="Threads for writing",
        ge=0,
        le=512,
        description="Processor threads for writing. 0: one for each physical core, which is "
        "nearly always best.",
    )
    n_threads_batch: int = Field(
        0,
        title="Threads for reading",
        ge=0,
        le=512,
        description="Processor threads for reading the prompt. 0: the same number.",
    )
    n_batch: int = Field(
        512,
        title="Batch size",
        ge=32,
        le=8192,
        description="Prompt tokens read in one go. More can be faster on a GPU; less lets a "
        "request be cancelled sooner.",
    )
    n_ubatch: int = Field(
        512,
        title="Tokens computed together",
        ge=32,
        le=8192,
        description="Prompt tokens computed together, at most n_batch. Less takes less memory.",
    )
    flash_attention: Literal["auto", "on", "off"] = Field(
        "auto",
        title="Flash attention",
        description="A faster way to compute attention that takes less memory.",
    )
    cache_type_k: CacheType = Field(
        "f16",
        title="Precision of keys",
        description="Precision of the keys in the context's memory. q8_0 halves it.",
    )
    cache_type_v: CacheType = Field(
        "f16",
        title="Precision of values",
        description="Precision of the values in the context's memory. q8_0 halves it; the "
        "quantized types need flash attention.",
    )
    offload_kv: bool = Field(
        True,
        title="Context on the GPU",
        description="Keep the context's memory on the GPU, where there is one.",
    )
    use_mmap: bool = Field(
        True,
        title="Map the file into memory",
        description="Map the file instead of copying it: loads faster, and the system can drop "
        "and reread parts of it.",
    )
    use_mlock: bool = Field(
        False,
        title="Lock in memory",
        description="Keep the model from being swapped out. The system may limit this.",
    )
    split_mode: Literal["layer", "row", "none"] = Field(
        "layer",
        title="Spread over GPUs",
        description="How a model is spread over several GPUs: by layers, by rows, or not.",
    )
    main_gpu: int = Field(
        0,
        title="GPU number",
        ge=0,
        le=63,
        description="Number of the GPU to use, where the model is not spread.",
    )
    tensor_split: list[float] = Field(
        [],
        title="Share of each GPU",
        max_length=16,
        description="Share of the model for each GPU, for example 3 and 1. Empty: by free memory.",
    )
    rope_scaling: Literal["model", "none", "linear", "yarn", "longrope"] = Field(
        "model",
        title="Context stretching",
        description="How a context longer than the trained one is reached. model: as its file "
        "says.",
    )
    rope_freq_base: float = Field(
        0.0,
        title="RoPE base frequency",
        ge=0,
        le=1e9,
        description="Base frequency of the positions (RoPE). 0: the model's own.",
    )
    rope_freq_scale: float = Field(
        0.0,
        title="RoPE scale",
        ge=0,
        le=8,
        description="Scale of the positions: 0.5 doubles the context. 0: the model's own.",
    )
    yarn_orig_ctx: int = Field(
        0,
        title="Original context for YaRN",
        ge=0,
        le=10_000_000,
        description="Context the model was trained for, for YaRN. 0: the model's own.",
    )
    lora: list[str] = Field(
        [],
        title="LoRA adapters",
        max_length=16,
        description="LoRA adapters in GGUF format, a path a line, or path=strength, for example "
        "/models/style.gguf=0.8. llama-cpp-python takes one.",
    )
    swa_full: bool = Field(
        False,
        title="Keep the whole sliding window",
        description="For models with sliding-window attention: keep the whole context, so that a "
        "repeated beginning need not be read again. Takes more memory.",
    )
    prompt_cache_mb: int = Field(
        0,
        title="Prompt cache",
        ge=0,
        le=1_000_000,
        description="Memory, in MiB, for the contexts of conversations that are not being "
        "answered, so that going back to one is quick. xllamacpp only. 0: none.",
    )

    pooling: Literal["model", "mean", "cls", "last", "rank"] = Field(
        "model",
        title="Vector of a text",
        description="How an embedding model makes one vector of a text's tokens, rank for a "
        "reranker. model: as its file says. Any other also makes a model that writes text into "
        "one for embeddings.",
    )

    @field_validator("tensor_split")
    @classmethod
    def _shares(cls, value: list[float]) -> list[float]:
        if any(share < 0 for share in value):
            raise ValueError("a share cannot be negative")
        return value

    @field_validator("lora")
    @classmethod
    def _adapters(cls, value: list[str]) -> list[str]:
        for line in value:
            if not adapter(line)[0]:
                raise ValueError(f"no path in {line!r}")
        return value

    @model_validator(mode="after")
    def _together(self) -> GgufOptions:
        if self.flash_attention == "off" and self.cache_type_v.startswith("q"):
            raise ValueError(
                f"cache_type_v {self.cache_type_v!r} needs flash attention; set flash_attention to "
                "auto, or cache_type_v to f16"
            )
        if self.engine == "llama-cpp-python" and len(self.lora) > 1:
            raise ValueError("llama-cpp-python takes one LoRA adapter; use xllamacpp for more")
        return self

    @property
    def slots(self) -> int:
        """Requests that the chosen engine runs at once."""
        return self.parallel if self.engine == "xllamacpp" else 1

    def context(self, trained: int) -> int:
        """Tokens of context for one request, of a model trained for ``trained`` (0: unknown)."""
        if not trained:
            return self.n_ctx or 4096
        stretched = self.rope_scaling not in ("model", "none") or self.rope_freq_scale > 0
        if not self.n_ctx:
            return trained
        return self.n_ctx if stretched else min(self.n_ctx, trained)


def adapter(line: str) -> tuple[str, float]:
    """Path and strength of a line like ``/models/style.gguf=0.8``; the strength is 1 without."""
    path, separator, strength = line.strip().rpartition("=")
    if not separator:
        return strength, 1.0
    try:
        return path, float(strength)
    except ValueError:
        return line.strip(), 1.0
