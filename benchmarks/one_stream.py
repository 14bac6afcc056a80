"""One stream through the whole stack, against the engine called in its own process."""

from __future__ import annotations

from benchmarks.peers import missing
from benchmarks.raw_engine import RawEngine
from benchmarks.result import Result, ratio, spread
from benchmarks.setting import Setting
from benchmarks.stack import Stack
from benchmarks.streams import OPENINGS


def run(setting: Setting) -> list[Result]:
    """Tokens per second, from the request to the last token."""
    if lacking := missing(("xllamacpp",)):
        print(f"  left out: {', '.join(lacking)} not installed")
        return []
    ours: list[float] = []
    raw: list[float] = []
    with RawEngine(setting) as engine, Stack(setting) as stack:
        stack.load()
        engine.complete("warm up", 8)
        stack.client.complete("warm up", 8)
        for number in range(setting.rounds):
            prompt = OPENINGS[number % len(OPENINGS)].format(number)
            pair = [
                (ours, lambda prompt=prompt: stack.client.complete(prompt, setting.tokens)),
                (raw, lambda prompt=prompt: engine.complete(prompt, setting.tokens)),
            ]
            for figures, ask in pair if number % 2 else reversed(pair):
                stream = ask()
                figures.append(stream.tokens / stream.seconds)
    return [
        Result(
            "Tokens per second through HTTP, pipeline and worker, over the raw engine: one stream",
            ratio(ours, raw),
            "",
            0.97,
            "at least",
            f"{spread(ours, 'tokens/s')} over {spread(raw, 'tokens/s')}",
        )
    ]
