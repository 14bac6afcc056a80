"""How a GPTQ model is loaded."""

from __future__ import annotations

from typing import Literal

from jackfield import Field, LoadOptions
from jackfield_loaders.torch_loading import N_CTX, PARALLEL, THREADS


class GptqOptions(LoadOptions):
    """The load form of GPTQ models."""

    n_ctx: int = N_CTX
    parallel: int = PARALLEL
    device: str = Field(
        "auto",
        title="Device",
        pattern=r"^(auto|cpu|cuda|cuda:\d+)$",
        description="auto: the graphics card if the model fits on it, else the processor.",
    )
    kernel: Literal["auto", "torch", "triton", "exllama_v2", "marlin", "torch_aten"] = Field(
        "auto",
        title="Kernel",
        description="What multiplies with the short weights. auto: the fastest that the "
        "device has; torch works everywhere.",
    )
    threads: int = THREADS
