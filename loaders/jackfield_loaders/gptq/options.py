"""How a GPTQ model is loaded."""

from __future__ import annotations

from typing import Literal

from jackfield import Field, LoadOptions


class GptqOptions(LoadOptions):
    """The load form of GPTQ models."""

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
        description="How many requests are computed together in one batch.",
    )
    device: str = Field(
        "auto",
        title="Device",
        pattern=r"^(auto|cpu|cuda|cuda:\d+)$",
        description="auto: the graphics card if the model fits on it, else the processor.",
    )
    kernel: Literal["auto", "torch", "triton", "exllama_v2", "machete", "marlin", "torch_aten"] = (
        Field(
            "auto",
            title="Kernel",
            description="What multiplies with the short weights. auto: the fastest that the "
            "device has; torch works everywhere.",
        )
    )
    threads: int = Field(
        0,
        title="Threads",
        ge=0,
        le=1024,
        description="Processor threads. 0: one for each physical core.",
    )
