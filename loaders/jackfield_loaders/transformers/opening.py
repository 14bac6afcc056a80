"""Opens models and tokenizers with Transformers. Runs in the worker."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import sys
import tempfile
import warnings
from importlib.util import find_spec
from typing import Any

import torch
import transformers

from jackfield import LoadedModel, LoadFailed, ModelFiles
from jackfield_loaders.torch_loading import loading, refuse_missing
from jackfield_loaders.transformers.facts import Facts
from jackfield_loaders.transformers.memory import DISK
from jackfield_loaders.transformers.model import CausalModel
from jackfield_loaders.transformers.options import TransformersOptions
from jackfield_loaders.transformers.seq2seq import Seq2SeqModel


class OffloadedModel(CausalModel):
    """A model with layers on disk, in a folder that goes with it."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        folder: tempfile.TemporaryDirectory[str],
        *,
        n_ctx: int,
        parallel: int,
    ) -> None:
        super().__init__(model, tokenizer, n_ctx=n_ctx, parallel=parallel)
        self._folder = folder

    def close(self) -> None:
        """End the computing thread, then remove the folder."""
        super().close()
        self._folder.cleanup()


def opened(files: ModelFiles, options: TransformersOptions) -> LoadedModel:
    """The model on its device, ready to answer.

    Raises:
        ModelFileError: its files are broken or incomplete.
        LoadFailed: Transformers cannot load it, or the device is not there.
    """
    _there(options)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    transformers.utils.logging.disable_progress_bar()
    # GPTQModel, which opens GPTQ weights, counts on more cores than small computers have.
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", str(max(2, options.threads)))
    with contextlib.ExitStack() as undo:
        kept = None
        if options.offload == "disk":
            kept = tempfile.TemporaryDirectory(prefix="jackfield-offload-")
            undo.callback(kept.cleanup)
        model, tokenizer = _read(files, options, kept.name if kept else None)
        _give_back(model, options)
        found = _whole(model, tokenizer, files, options, kept)
        undo.pop_all()
    return found


def _read(files: ModelFiles, options: TransformersOptions, kept: str | None) -> tuple[Any, Any]:
    """The model and its tokenizer; ``kept`` is a folder for weights on disk."""
    # Said in any case: asked for nothing, Transformers may find code and ask the terminal.
    where: dict[str, Any] = {
        "local_files_only": True,
        "trust_remote_code": options.trust_remote_code,
    }
    folder = files.path
    if files.format == "gguf":
        folder, where["gguf_file"] = files.path.parent, files.path.name
    with (
        loading(files.path.name, "Transformers", "The model's log says more."),
        warnings.catch_warnings(),
    ):
        # Punctuation that Marian's tokenizer then leaves as it is.
        warnings.filterwarnings("ignore", "Recommended: pip install sacremoses")
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **where)
        kind = transformers.AutoModelForCausalLM
        if Facts(files).seq2seq:
            kind = transformers.AutoModelForSeq2SeqLM
        model = kind.from_pretrained(folder, **where, **_arguments(files, options, kept))
    return model.eval(), tokenizer


def _whole(
    model: Any,
    tokenizer: Any,
    files: ModelFiles,
    options: TransformersOptions,
    kept: tempfile.TemporaryDirectory[str] | None,
) -> LoadedModel:
    """The model as the pipeline sees it, unless its limits were too low."""
    places = set((getattr(model, "hf_device_map", None) or {}).values())
    if kept is not None and DISK not in places:
        kept.cleanup()
        kept = None
    if kept is None and DISK in places:
        limits = ", ".join(f"{device}={size}" for device, size in options.max_memory.items())
        raise LoadFailed(
            f"{files.path.name!r} does not fit within the memory limits {limits!r}.",
            hint="Raise them, or set the load option offload to disk.",
        )
    facts = Facts(files)
    if facts.seq2seq:
        if kept is not None:  # what these models compute for themselves is in no file
            raise LoadFailed(
                f"{files.path.name!r} reads with an encoder, and such models are not kept on disk.",
                hint="Leave out the load options max_memory and offload.",
            )
        return Seq2SeqModel(
            model,
            tokenizer,
            context=facts.context(options.n_ctx),
            trained=facts.trained,
            parallel=options.parallel,
        )
    context: dict[str, int] = {"n_ctx": options.n_ctx, "parallel": options.parallel}
    if kept is not None:
        return OffloadedModel(model, tokenizer, kept, **context)
    # What is fetched for each step has no place that an adapter could be put beside.
    fetched = len(places) > 1 and "cpu" in places
    usable = find_spec("peft") is not None and not facts.method
    return CausalModel(model, tokenizer, **context, takes_adapters=usable and not fetched)


def _give_back(model: Any, options: TransformersOptions) -> None:
    """Let the computer have the memory that weights took in the format of their files."""
    if options.quantization != "none" and options.device == "cpu":
        # One table that lies in the mapped file would keep all of the file in memory.
        for parameter in model.parameters():
            if type(parameter.data) is torch.Tensor and parameter.is_floating_point():
                parameter.data = parameter.data.clone()
    gc.collect()
    # The GNU C library keeps what was freed for later, which can be as much as the model.
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def _there(options: TransformersOptions) -> None:
    """Whether the devices and packages that the options need are there.

    Raises:
        LoadFailed: they are not.
    """
    refuse_missing((options.device, *options.limits))
    if options.attention == "flash_attention_2" and (
        options.device == "cpu" or find_spec("flash_attn") is None
    ):
        raise LoadFailed(
            "The attention 'flash_attention_2' needs a graphics card and the package flash-attn.",
            hint="Choose the attention auto, or: pip install flash-attn --no-build-isolation",
        )
    four = options.quantization == "4-bit"
    eight = options.quantization == "8-bit" and options.device != "cpu"
    if (four or eight) and find_spec("bitsandbytes") is None:
        raise LoadFailed(
            f"The quantization {options.quantization!r} on the device {options.device!r} needs "
            "the package bitsandbytes.",
            hint="Install it with: pip install bitsandbytes",
        )


def _arguments(files: ModelFiles, options: TransformersOptions, kept: str | None) -> dict[str, Any]:
    """How the weights are placed."""
    arguments: dict[str, Any] = {
        "dtype": getattr(torch, options.dtype) if options.dtype != "auto" else "auto",
        "use_safetensors": files.format == "safetensors" if files.format != "gguf" else None,
        "low_cpu_mem_usage": True,
    }
    if options.max_memory:
        arguments["device_map"] = "sequential"
        arguments["max_memory"] = {_numbered(one): size for one, size in options.limits.items()}
        arguments["offload_folder"] = kept
    elif options.device != "cpu":
        arguments["device_map"] = {"": options.device}
    if options.attention != "auto":
        arguments["attn_implementation"] = options.attention
    if options.quantization != "none":
        arguments["quantization_config"] = _quantization(options)
    return arguments


def _numbered(device: str) -> str | int:
    """A device as accelerate's limits name it."""
    return int(device.rpartition(":")[2]) if device.startswith("cuda") else device


def _quantization(options: TransformersOptions) -> Any:
    if options.quantization == "4-bit":
        return transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=getattr(torch, options.dtype),
        )
    if options.device != "cpu":
        # At each step it says of each layer that it computes in float16.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    from torchao.quantization import Int8WeightOnlyConfig

    return transformers.TorchAoConfig(Int8WeightOnlyConfig())
