"""Eight clients at once, against the engine's own C++ HTTP server."""

from __future__ import annotations

from benchmarks.raw_engine import RawEngine
from benchmarks.result import Result, ratio, spread
from benchmarks.setting import PARALLEL, Setting
from benchmarks.stack import Stack


def run(setting: Setting) -> list[Result]:
    """Tokens per second of all clients together."""
    ours: list[float] = []
    theirs: list[float] = []
    with RawEngine(setting) as engine, Stack(setting) as stack:
        stack.load()
        pair = [(ours, stack.client), (theirs, engine.client)]
        for _, client in pair:
            client.at_once(1000, PARALLEL, 8)
        for number in range(setting.rounds):
            for figures, client in pair if number % 2 else reversed(pair):
                figures.append(client.at_once(number, PARALLEL, setting.tokens))
    return [
        Result(
            "The same, 8 clients at once, over the engine's own C++ HTTP server",
            ratio(ours, theirs),
            "",
            0.95,
            "at least",
            f"{spread(ours, 'tokens/s')} over {spread(theirs, 'tokens/s')}",
        )
    ]
