"""How much later the first token comes than from the engine called in its own process."""

from __future__ import annotations

import statistics

from benchmarks.peers import missing
from benchmarks.raw_engine import RawEngine
from benchmarks.result import Result, spread
from benchmarks.setting import Setting
from benchmarks.stack import Stack
from benchmarks.streams import OPENINGS


def run(setting: Setting) -> list[Result]:
    """Milliseconds between the two, for short prompts that nobody has seen before."""
    if lacking := missing(("xllamacpp",)):
        print(f"  left out: {', '.join(lacking)} not installed")
        return []
    ours: list[float] = []
    raw: list[float] = []
    with RawEngine(setting) as engine, Stack(setting) as stack:
        stack.load()
        engine.complete("warm up", 8)
        stack.client.complete("warm up", 8)
        for number in range(setting.rounds * 5):
            prompt = OPENINGS[number % len(OPENINGS)].format(10_000 + number)
            pair = [(ours, stack.client.complete), (raw, engine.complete)]
            for figures, ask in pair if number % 2 else reversed(pair):
                figures.append(1000 * ask(prompt, 4).first)
    added = [mine - theirs for mine, theirs in zip(ours, raw, strict=True)]
    return [
        Result(
            "Added time to the first token",
            statistics.median(added),
            "ms",
            5,
            "at most",
            f"{spread(ours, 'ms')} less {spread(raw, 'ms')}",
        )
    ]
