"""Sentences translated by the Marian plugin, against Transformers' ``generate`` with the same."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path

from benchmarks.peers import missing
from benchmarks.raw_process import RawProcess
from benchmarks.result import Result, ratio, spread
from benchmarks.setting import Setting

BATCH = 32
BEAM = 2
PART = 45.0
"""Seconds after which no further round begins."""
SENTENCES = (
    "The train number {} to Paris leaves at eight o'clock in the morning.",
    "My sister has been living in house {} in London for three years.",
    "Could you please explain how machine number {} works?",
    "The {} children are playing in the garden behind the house.",
    "Scientists have discovered {} new planets far away from our solar system.",
    "You can sort a list of {} numbers with one function.",
)


def run(setting: Setting) -> list[Result]:
    """Sentences per second: in batches, and one by one as a reply streams."""
    if lacking := missing(("ctranslate2", "sentencepiece", "transformers")):
        print(f"  left out: {', '.join(lacking)} not installed")
        return []
    from jackfield_plugins.translation import frames
    from jackfield_plugins.translation.conversion import Converted
    from jackfield_plugins.translation.interpreter import Interpreter

    log = logging.getLogger(__name__)
    interpreter = Interpreter(log)
    batches: tuple[list[float], list[float]] = ([], [])
    single: tuple[list[float], list[float]] = ([], [])
    given = (str(setting.translator), str(setting.threads), str(BEAM))
    with (
        tempfile.TemporaryDirectory() as kept,
        RawProcess("benchmarks.raw_translate", setting, *given) as bare,
    ):
        model = str(Converted(Path(kept), log).of(setting.translator))

        def rate(many: list[list[str]]) -> float:
            begun = time.perf_counter()
            for texts in many:
                order = frames.Order(model, texts, "", BEAM, setting.threads, "cpu")
                interpreter.ask(order, 600)
            return sum(map(len, many)) / (time.perf_counter() - begun)

        try:
            rate([["warm up"]])
            for number in setting.paced(2 * PART):
                large, alone = [_texts(number)], [[text] for text in _texts(number + 1000)[:8]]
                asked = [
                    (batches[0], lambda large=large: rate(large)),
                    (batches[1], lambda large=large: bare.ask(batches=large)["rate"]),
                    (single[0], lambda alone=alone: rate(alone)),
                    (single[1], lambda alone=alone: bare.ask(batches=alone)["rate"]),
                ]
                for figures, ask in asked if number % 2 else reversed(asked):
                    figures.append(ask())
        finally:
            interpreter.close()
    return [
        Result(
            f"Sentences translated per second, {how}, over Transformers' `generate` of the same",
            ratio(ours, theirs),
            "",
            1.0,
            "at least",
            f"{spread(ours, 'sentences/s')} over {spread(theirs, 'sentences/s')}",
        )
        for how, (ours, theirs) in ((f"{BATCH} at once", batches), ("one by one", single))
    ]


def _texts(number: int) -> list[str]:
    """Sentences that nobody has seen before."""
    return [SENTENCES[at % len(SENTENCES)].format(10 + number * BATCH + at) for at in range(BATCH)]
