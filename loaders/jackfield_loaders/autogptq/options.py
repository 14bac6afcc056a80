"""How a GPTQ model is loaded by AutoGPTQ."""

from __future__ import annotations

from jackfield import Field, LoadOptions


class AutoGptqOptions(LoadOptions):
    """The load form of AutoGPTQ."""

    n_ctx: int = Field(
        4096,
        title="Context length",
        ge=0,
        le=10_000_000,
        description="How many tokens of conversation and reply one request can hold. "
        "0: what the model was trained for.",
    )
    device: str = Field(
        "auto",
        title="Device",
        pattern=r"^(auto|cpu|cuda|cuda:\d+)$",
        description="auto: the graphics card if the model fits on it, else the processor.",
    )
    threads: int = Field(
        0,
        title="Threads",
        ge=0,
        le=1024,
        description="Processor threads. 0: one for each physical core.",
    )
