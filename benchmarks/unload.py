"""Whether unloading a model gives its memory back, whichever loader opened it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from benchmarks.peers import missing
from benchmarks.result import Result
from benchmarks.setting import Setting
from benchmarks.stack import EMBEDDER, FOLDER, MODEL, Stack

SETTLE = 2.0


def run(setting: Setting) -> list[Result]:
    """Resident memory of server and workers after unloading, over before loading."""
    results = []
    if not missing(("xllamacpp",)):
        results.append(_unloaded(setting, "gguf", MODEL, setting.options))
    if not missing(("torch", "transformers")):
        options = setting.transformers_options
        results.append(_unloaded(setting, "transformers", FOLDER, options))
    if not missing(("sentence_transformers",)):
        given = {"device": setting.device}
        results.append(_unloaded(setting, "sentence_transformers", EMBEDDER, given))
    return results


def _unloaded(setting: Setting, loader: str, model: str, options: Mapping[str, Any]) -> Result:
    with Stack(setting) as stack:
        # once, so that what the server imports for it is not counted
        client = stack.load(model, loader, options)
        if model != EMBEDDER:
            client.complete("warm up", 8)
        stack.unload(model)
        time.sleep(SETTLE)
        before = stack.memory()
        stack.load(model, loader, options)
        if model != EMBEDDER:
            client.complete("Once upon a time", setting.tokens)
        loaded = stack.memory()
        stack.unload(model)
        time.sleep(SETTLE)
        after = stack.memory()
    return Result(
        f"Resident memory after unloading a model of `{loader}` over before loading it",
        after / before,
        "",
        1.02,
        "at most",
        f"{after / 1e6:.0f} MB over {before / 1e6:.0f} MB; {loaded / 1e6:.0f} MB while loaded",
    )
