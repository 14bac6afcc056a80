"""Resident memory of a process that loads one model and fills its context, as JSON.

``python memory_meter.py REQUEST`` where REQUEST is JSON: ``loader`` (module:Class), ``back_end``
(modules imported before), ``path``, ``options``, ``fill`` (tokens of each of ``at_once`` prompts).
Memory that the allocator keeps for later is given back before each look.
"""

import ctypes
import gc
import importlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from jackfield import LoadedModel, Loader, ModelFiles, Prompt, SamplingParams
from jackfield.catalog.folder import read_folder
from jackfield.catalog.gguf import read_gguf

LONG = SamplingParams(max_tokens=400, temperature=0, ignore_eos=True)


def resident() -> int:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


def files_of(path: Path) -> ModelFiles:
    """A model as the catalog identifies it."""
    if path.is_file():
        return ModelFiles(path, "gguf", path.stat().st_size, read_gguf(path).metadata)
    found = read_folder(path)
    return ModelFiles(path, found.format, found.size, found.metadata)


def filled(model: LoadedModel, tokens: int, at_once: int) -> int:
    """Memory while so many prompts of so many tokens are being answered, none like another.

    With no tokens, memory with all weights in it.
    """
    if not tokens:
        touch_weights()
        return resident()
    read = threading.Barrier(at_once + 1)
    measured = threading.Event()

    def ask(number: int) -> None:
        stream = model.complete(Prompt(f"{number}" + " river" * (tokens - 8)), LONG)
        next(one for one in stream if one.text)
        read.wait()
        measured.wait()
        stream.close()  # type: ignore[attr-defined]  # every reply here has it

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(at_once)]
    for thread in threads:
        thread.start()
    read.wait()
    found = min(_samples())
    measured.set()
    for thread in threads:
        thread.join()
    return found


def touch_weights() -> None:
    """Read all weights of PyTorch models once: pages of a mapped file count only from then on."""
    import torch

    for one in gc.get_objects():
        if type(one) is torch.nn.Parameter:
            one.sum()


def _samples() -> Iterator[int]:
    """Looks while it computes: what one step takes and gives back is not in the least of them."""
    for _ in range(40):
        yield resident()
        time.sleep(0.01)


def main(request: dict[str, Any]) -> dict[str, int]:
    module, _, name = request["loader"].partition(":")
    loader: Loader = getattr(importlib.import_module(module), name)()
    for back_end in request["back_end"]:
        importlib.import_module(back_end)
    files = files_of(Path(request["path"]))
    options = loader.Options.model_validate(request["options"])
    imported = resident()
    model = loader.load(files, options)
    loaded = resident()
    whole = filled(model, request["fill"], request["at_once"])
    mapped = sum(
        one.rss
        for one in psutil.Process().memory_maps()
        if files.path in (Path(one.path), *Path(one.path).parents)
    )
    model.close()
    return {"imported": imported, "loaded": loaded, "filled": whole, "mapped": mapped}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))))
