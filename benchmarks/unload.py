"""Whether unloading a model gives its memory back."""

from __future__ import annotations

import time

from benchmarks.result import Result
from benchmarks.setting import Setting
from benchmarks.stack import Stack

SETTLE = 2.0


def run(setting: Setting) -> list[Result]:
    """Resident memory of server and workers after unloading, over before loading."""
    with Stack(setting) as stack:
        stack.load()  # once, so that what the server imports for it is not counted
        stack.client.complete("warm up", 8)
        stack.unload()
        time.sleep(SETTLE)
        before = stack.memory()
        stack.load()
        stack.client.complete("Once upon a time", setting.tokens)
        loaded = stack.memory()
        stack.unload()
        time.sleep(SETTLE)
        after = stack.memory()
    return [
        Result(
            "Resident memory after unloading a model over before loading it",
            after / before,
            "",
            1.02,
            "at most",
            f"{after / 1e6:.0f} MB over {before / 1e6:.0f} MB; {loaded / 1e6:.0f} MB while loaded",
        )
    ]
