"""How a model is loaded by Transformers."""

from __future__ import annotations

from typing import Literal, TypeAlias

from jackfield import Field, LoadOptions

DType: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of one number."""


class TransformersOptions(LoadOptions):
    """The load form of Transformers models."""

    n_ctx: int = Field(
        4096,
        title="Context length",
        ge=0,
        le=10_000_000,
        description="How many tokens of conversation and reply one request can hold. "
        "0: what the model was trained for.",
    )
    parallel: int = Field(
        8,
        title="Requests at once",
        ge=1,
        le=256,
        description="How many requests are computed together in one batch. Each takes memory for "
        "its own context as far as it fills it.",
    )
    device: str = Field(
        "auto",
        title="Device",
        pattern=r"^(auto|cpu|cuda|cuda:\d+|mps)$",
        description="auto: the graphics card if the model fits on it, else the processor. Or "
        "cpu, cuda, cuda:1, ...",
    )
    dtype: DType = Field(
        "auto",
        title="Number format",
        description="auto: as the weights were saved, or the next best that the device computes "
        "well. bfloat16 takes half of float32's memory.",
    )
    quantization: Literal["none", "8-bit"] = Field(
        "none",
        title="Quantize while loading",
        description="8-bit takes about half of bfloat16's memory at a small loss of quality: by "
        "bitsandbytes on CUDA, by torchao on the processor.",
    )
    attention: Literal["auto", "sdpa", "eager"] = Field(
        "auto",
        title="Attention",
        description="How attention is computed. auto: what Transformers thinks best; eager is "
        "the slow, plain way, for models that need it.",
    )
    threads: int = Field(
        0,
        title="Threads",
        ge=0,
        le=1024,
        description="Processor threads. 0: one for each physical core.",
    )
    trust_remote_code: bool = Field(
        False,
        title="Run the model's own code",
        description="Some models bring Python code of their own, which can do anything that you "
        "can do on this computer. Switch it on only for a model whose author you trust.",
    )
    allow_pickle: bool = Field(
        False,
        title="Open pickle files",
        description="Weights in .bin files are pickles. They are opened without running code "
        "from them, but prefer safetensors.",
    )
