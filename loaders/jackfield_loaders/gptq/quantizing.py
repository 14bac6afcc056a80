"""The process that quantizes a model: ``python -m jackfield_loaders.gptq.quantizing``.

Reads one JSON object from standard input, prints progress as JSON lines on the pipe that was its
standard output; whatever libraries print goes to standard error. Ends with its input.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any


def main() -> None:
    """Quantize as told."""
    told = json.loads(_line())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def tell(**progress: Any) -> None:
        pipe.write(json.dumps(progress) + "\n")

    # It asks for two even where it takes that there is one.
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", str(max(2, told["threads"])))
    tell(stage="loading")
    import torch
    from gptqmodel import GPTQModel, QuantizeConfig
    from transformers import AutoConfig, AutoTokenizer

    source, target = Path(told["source"]), Path(told["target"])
    config = QuantizeConfig(bits=told["bits"], group_size=told["group_size"])
    config.device = told["device"]
    # Processors compute bfloat16 many times slower than float32, unless they are made for it.
    exact = {"dtype": torch.float32} if told["device"] == "cpu" else {}
    model = GPTQModel.load(str(source), config, **exact)
    layers = int(model.model.config.get_text_config().num_hidden_layers)
    done: set[int] = set()

    def layer_complete(*, layer_idx: int, submodule_finalized: bool) -> None:
        done.add(layer_idx)
        tell(stage="quantizing", done=len(done), total=layers)

    model.layer_callback = Layers(layer_complete)
    tell(stage="quantizing", done=0, total=layers)
    model.quantize(told["texts"], batch_size=1)
    tell(stage="saving")
    stored = AutoConfig.from_pretrained(source, local_files_only=True).dtype
    _shorten(model.model, stored if stored in (torch.float16, torch.bfloat16) else torch.float16)
    model.save(str(target))
    AutoTokenizer.from_pretrained(source, local_files_only=True).save_pretrained(target)


def _shorten(model: Any, dtype: Any) -> None:
    """Keep in 16 bits what is not quantized, the embeddings above all, and would be float32.

    Layers that are quantized stay as they are: GPTQModel has some of them on disk already.
    """
    from gptqmodel.nn_modules.qlinear import BaseQuantLinear
    from torch.nn import Parameter

    short: dict[Any, Parameter] = {}  # a tied one stays tied
    for module in model.modules():
        if not isinstance(module, BaseQuantLinear):
            for name, one in list(module.named_parameters(recurse=False)):
                if one not in short:
                    short[one] = Parameter(one.detach().to(dtype), requires_grad=False)
                setattr(module, name, short[one])
    model.config.dtype = dtype


class Layers:
    """What GPTQModel tells when a layer is done."""

    def __init__(self, layer_complete: Any) -> None:
        self.layer_complete = layer_complete


def _line() -> bytes:
    """The first line of the input, read so that nothing of what follows is held back."""
    line = b""
    while not line.endswith(b"\n") and (more := os.read(0, 1)):
        line += more
    return line


def _leave_with_parent() -> None:
    """Wait for the end of the input, which comes when the parent has gone, however it went."""
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
    os._exit(0)  # threads of the libraries would be waited for
