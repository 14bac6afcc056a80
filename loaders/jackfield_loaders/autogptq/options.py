"""How a GPTQ model is loaded by AutoGPTQ."""

from __future__ import annotations

from jackfield import Field, LoadOptions
from jackfield_loaders.torch_loading import N_CTX, THREADS


class AutoGptqOptions(LoadOptions):
    """The load form of AutoGPTQ."""

    n_ctx: int = N_CTX
    device: str = Field(
        "auto",
        title="Device",
        pattern=r"^(auto|cpu|cuda|cuda:\d+)$",
        description="auto: the graphics card if the model fits on it, else the processor.",
    )
    threads: int = THREADS
