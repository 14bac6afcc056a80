"""Opens GPTQ models. Runs in the worker."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch

from jackfield import LoadedModel, ModelFiles
from jackfield_loaders.gptq.options import GptqOptions
from jackfield_loaders.torch_loading import loading, refuse_missing

log = logging.getLogger(__name__)

ON_CPU = ("auto", "torch")
ON_CARDS = ("marlin", "triton", "torch")
"""Which kernels are tried in turn. GPTQModel's own choice on cards may be machete, which fetches
CUTLASS from outside to build itself."""

ANOTHER = "Another kernel may work: load it with the option kernel set to torch."


def opened(files: ModelFiles, options: GptqOptions) -> LoadedModel:
    """The model on its device, ready to answer.

    Raises:
        ModelFileError: its files are broken.
        LoadFailed: GPTQModel cannot load it, or the device is not there.
    """
    refuse_missing([options.device])
    # GPTQModel counts on more cores than small computers have.
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", str(max(2, options.threads)))
    torch.set_num_threads(options.threads or torch.get_num_threads())
    import transformers

    from jackfield_loaders.transformers.model import CausalModel

    with loading(files.path.name, "GPTQModel", ANOTHER):
        tokenizer = transformers.AutoTokenizer.from_pretrained(files.path, local_files_only=True)
        model = _with_kernel(files, options)
    return CausalModel(model, tokenizer, n_ctx=options.n_ctx, parallel=options.parallel)


def _with_kernel(files: ModelFiles, options: GptqOptions) -> Any:
    """The model with a kernel that computes it.

    One may refuse the shape of a layer, or lack a compiler, only when it is first used, so a step
    is tried; ``torch`` takes every shape.
    """
    if options.kernel != "auto":
        return _tried(files, options, options.kernel)
    *first, last = ON_CPU if options.device == "cpu" else ON_CARDS
    for kernel in first:
        try:
            return _tried(files, options, kernel)
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            log.warning("The kernel %s does not work here: %s", kernel, error)
    return _tried(files, options, last)


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
