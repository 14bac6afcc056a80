"""What all loaders on PyTorch share: options, devices that are not there, and errors of a load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from json import JSONDecodeError

from jackfield import Field, LoadFailed, ModelFileError

N_CTX: int = Field(
    4096,
    title="Context length",
    ge=0,
    le=10_000_000,
    description="How many tokens of conversation and reply one request can hold. "
    "0: what the model was trained for.",
)
PARALLEL: int = Field(
    8,
    title="Requests at once",
    ge=1,
    le=256,
    description="How many requests are computed together in one batch. Each takes memory for "
    "its own context as far as it fills it.",
)
THREADS: int = Field(
    0,
    title="Threads",
    ge=0,
    le=1024,
    description="Processor threads. 0: one for each physical core.",
)


def refuse_missing(devices: Iterable[str]) -> None:
    """Whether devices such as ``cuda:0`` are there.

    Raises:
        LoadFailed: one is not.
    """
    import torch

    cards = torch.cuda.device_count()
    for device in devices:
        if device.startswith("cuda") and not cards:
            raise LoadFailed(
                f"The device {device!r} is not there: PyTorch finds no CUDA device.",
                hint="Choose the device cpu, or install a PyTorch that is built for CUDA.",
            )
        if device.startswith("cuda:") and int(device.removeprefix("cuda:")) >= cards:
            raise LoadFailed(
                f"The device {device!r} is not there: the last one is 'cuda:{cards - 1}'.",
                hint="Choose another device, or auto.",
            )


@contextmanager
def loading(model: str, library: str, hint: str) -> Iterator[None]:
    """Say of an error which model and which library it is about.

    Args:
        hint: what to do when the library cannot load it.

    Raises:
        ModelFileError: the model's files are broken.
        LoadFailed: the library cannot load it.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, UnicodeDecodeError, JSONDecodeError, EOFError) as error:
        raise ModelFileError(
            f"The files of {model!r} are broken: {error}.", hint="Fetch them again."
        ) from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise LoadFailed(f"{library} could not load {model!r}: {error}", hint=hint) from error
