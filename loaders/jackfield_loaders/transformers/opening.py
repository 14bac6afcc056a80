"""Opens models and tokenizers with Transformers. Runs in the worker."""

from __future__ import annotations

import os
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from jackfield import LoadFailed, ModelFileError, ModelFiles
from jackfield_loaders.transformers.model import CausalModel
from jackfield_loaders.transformers.options import TransformersOptions


def opened(files: ModelFiles, options: TransformersOptions) -> CausalModel:
    """The model on its device, ready to answer.

    Raises:
        ModelFileError: its files are broken or incomplete.
        LoadFailed: Transformers cannot load it, or the device is not there.
    """
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise LoadFailed(
            f"The device {options.device!r} is not there: PyTorch finds no CUDA device.",
            hint="Choose the device cpu, or install a PyTorch that is built for CUDA.",
        )
    torch.set_num_threads(options.threads or torch.get_num_threads())
    transformers.utils.logging.disable_progress_bar()
    # GPTQModel, which opens GPTQ weights, counts on more cores than small computers have.
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", str(max(1, options.threads)))
    where: dict[str, Any] = {"local_files_only": True}
    folder = files.path
    if files.format == "gguf":
        folder, where["gguf_file"] = files.path.parent, files.path.name
    if options.trust_remote_code:
        where["trust_remote_code"] = True
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **where)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, **where, **_arguments(files, options)
        )
    except (SafetensorError, UnicodeDecodeError, EOFError) as error:
        raise ModelFileError(
            f"The files of {files.path.name!r} are broken: {error}.", hint="Fetch them again."
        ) from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise LoadFailed(
            f"Transformers could not load {files.path.name!r}: {error}",
            hint="The model's log says more.",
        ) from error
    return CausalModel(model.eval(), tokenizer, options)


def _arguments(files: ModelFiles, options: TransformersOptions) -> dict[str, Any]:
    """How the weights are placed."""
    arguments: dict[str, Any] = {
        "dtype": getattr(torch, options.dtype) if options.dtype != "auto" else "auto",
        "use_safetensors": files.format == "safetensors" if files.format != "gguf" else None,
        "low_cpu_mem_usage": True,
    }
    if options.device != "cpu":
        arguments["device_map"] = {"": options.device}
    if options.attention != "auto":
        arguments["attn_implementation"] = options.attention
    if options.quantization == "8-bit":
        arguments["quantization_config"] = _eight_bit(options.device)
    return arguments


def _eight_bit(device: str) -> Any:
    if device != "cpu":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    from torchao.quantization import Int8WeightOnlyConfig

    return transformers.TorchAoConfig(Int8WeightOnlyConfig())
