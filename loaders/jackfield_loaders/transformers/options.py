"""How a model is loaded by Transformers."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, field_validator, model_validator

from jackfield import Field, LoadOptions
from jackfield_loaders.torch_loading import N_CTX, PARALLEL, THREADS

DType: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
Quantization: TypeAlias = Literal["none", "8-bit", "4-bit"]
Offload: TypeAlias = Literal["auto", "none", "cpu", "disk"]

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of one number."""

UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Z]*)", re.IGNORECASE)
_DEVICE = re.compile(r"cpu|mps|cuda(:\d+)?")


def in_bytes(size: str) -> int:
    """A size as it is written, for example ``6GB`` or ``512 MiB``.

    Raises:
        ValueError: it is no size.
    """
    found = _SIZE.fullmatch(size.strip())
    unit = UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None:
        raise ValueError(
            f"{size!r} is no size; write a number and KB, MB, GB, KiB, MiB or GiB, as in 6GB"
        )
    return int(float(found[1]) * unit)


def _table(value: Any) -> Any:
    """``cuda:0=6GB, cpu=20GB`` as a table."""
    if isinstance(value, str):
        rows = [part.partition("=") for part in value.split(",") if part.strip()]
        return {device.strip(): size.strip() for device, _, size in rows}
    if isinstance(value, dict):
        return {device: str(size) for device, size in value.items()}
    return value


class TransformersOptions(LoadOptions):
    """The load form of Transformers models."""

    n_ctx: int = N_CTX
    parallel: int = PARALLEL
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
    quantization: Quantization = Field(
        "none",
        title="Quantize while loading",
        description="8-bit takes about half of bfloat16's memory at a small loss of quality: by "
        "bitsandbytes on CUDA, by torchao on the processor. 4-bit (NF4, by bitsandbytes) takes "
        "about a third at a larger loss. The table of token vectors keeps its number format.",
    )
    max_memory: Annotated[dict[str, str], BeforeValidator(_table)] = Field(
        {},
        title="Memory limits",
        description="The most memory that weights take on each device, for example 6GB for "
        "cuda:0 and 20GB for cpu. The model is spread over the devices that are named, graphics "
        "cards first. Empty: one device, or what there is room for.",
    )
    offload: Offload = Field(
        "auto",
        title="What does not fit",
        description="Where layers are kept that do not fit on the graphics card, or within the "
        "limits: cpu, in main memory; disk, in main memory and then on disk, which is slow. "
        "auto: in main memory, if the model fits on no card.",
    )
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = Field(
        "auto",
        title="Attention",
        description="How attention is computed. auto: what Transformers thinks best; eager is "
        "the slow, plain way, for models that need it; flash_attention_2 needs the package "
        "flash-attn and a graphics card.",
    )
    threads: int = THREADS
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

    @field_validator("max_memory")
    @classmethod
    def _limits(cls, limits: dict[str, str]) -> dict[str, str]:
        for device, size in limits.items():
            if not _DEVICE.fullmatch(device):
                raise ValueError(f"{device!r} is no device; name cpu, cuda:0, cuda:1 or mps")
            in_bytes(size)
        return {"cuda:0" if one == "cuda" else one: size for one, size in limits.items()}

    @model_validator(mode="after")
    def _whole(self) -> TransformersOptions:
        if self.quantization != "none" and (
            self.offload in ("cpu", "disk") or {"cpu", "mps"} & self.max_memory.keys()
        ):
            raise ValueError(
                "Quantized weights are kept whole on graphics cards or on the processor: leave "
                "out offload and the limit for cpu, or the quantization"
            )
        return self

    @property
    def limits(self) -> dict[str, int]:
        """Bytes of weights on each device, graphics cards first."""
        sizes = {device: in_bytes(size) for device, size in self.max_memory.items()}
        return dict(sorted(sizes.items(), key=lambda one: (one[0] == "cpu", one[0])))
