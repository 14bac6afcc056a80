"""Opens GPTQ models. Runs in the worker."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch

from jackfield import LoadedModel, LoadFailed, ModelFileError, ModelFiles
from jackfield_loaders.gptq.options import GptqOptions

log = logging.getLogger(__name__)


def opened(files: ModelFiles, options: GptqOptions) -> LoadedModel:
    """The model on its device, ready to answer.

    Raises:
        ModelFileError: its files are broken.
        LoadFailed: GPTQModel cannot load it, or the device is not there.
    """
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise LoadFailed(
            f"The device {options.device!r} is not there: PyTorch finds no CUDA device.",
            hint="Choose the device cpu, or install a PyTorch that is built for CUDA.",
        )
    # GPTQModel counts on more cores than small computers have.
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", str(max(1, options.threads)))
    torch.set_num_threads(options.threads or torch.get_num_threads())
    import transformers
    from safetensors import SafetensorError

    from jackfield_loaders.transformers.model import CausalModel
    from jackfield_loaders.transformers.options import TransformersOptions

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(files.path, local_files_only=True)
        model = _with_kernel(files, options)
    except (SafetensorError, UnicodeDecodeError, EOFError) as error:
        raise ModelFileError(
            f"The files of {files.path.name!r} are broken: {error}.", hint="Fetch them again."
        ) from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise LoadFailed(
            f"GPTQModel could not load {files.path.name!r}: {error}",
            hint="Another kernel may work: load it with the option kernel set to torch.",
        ) from error
    slots = TransformersOptions(n_ctx=options.n_ctx, parallel=options.parallel)
    return CausalModel(model, tokenizer, slots)


def _with_kernel(files: ModelFiles, options: GptqOptions) -> Any:
    """The model with a kernel that computes it.

    GPTQModel's own choice may refuse the shape of a layer only when that is computed, so a step is
    tried; ``torch`` takes every shape.
    """
    if options.kernel != "auto":
        return _tried(files, options, options.kernel)
    try:
        return _tried(files, options, "auto")
    except RuntimeError as error:
        log.warning("GPTQModel's choice of a kernel does not work here (%s): taking torch", error)
        return _tried(files, options, "torch")


def _tried(files: ModelFiles, options: GptqOptions, kernel: str) -> Any:
    from gptqmodel import BACKEND, GPTQModel

    backend = BACKEND.AUTO if kernel == "auto" else BACKEND(f"gptq_{kernel}")
    # In bfloat16 a request would be answered otherwise in a batch than alone.
    exact = {"dtype": torch.float32} if options.device == "cpu" else {}
    model = GPTQModel.load(str(files.path), device=options.device, backend=backend, **exact)
    model = model.model.eval()
    with torch.inference_mode():
        model(input_ids=torch.zeros((1, 1), dtype=torch.long, device=options.device))
    return model
