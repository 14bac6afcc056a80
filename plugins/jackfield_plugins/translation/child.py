"""The process that translates: ``python -m jackfield_plugins.translation.child``.

Reads orders from standard input and writes answers to what was standard output. Ends with its
standard input.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jackfield_plugins.translation import frames

LONGEST = 100
"""Tokens that are translated at once; in much longer sentences opus-mt models begin to stutter."""
BATCH = 32
"""Sentences computed at once."""
END = "</s>"
WORD = "\u2581"
"""What the first token of a word begins with."""
PAUSES = (",", ";", ":", ")")


class Model:
    """A CTranslate2 model with its tokenizers."""

    def __init__(self, folder: str, device: str, threads: int) -> None:
        import ctranslate2
        import sentencepiece

        self._translator: Any = ctranslate2.Translator(
            folder, device=device, compute_type="auto", intra_threads=threads
        )
        source, target = (str(Path(folder, f"{one}.spm")) for one in ("source", "target"))
        self._source: Any = sentencepiece.SentencePieceProcessor(model_file=source)
        self._target: Any = sentencepiece.SentencePieceProcessor(model_file=target)

    def translate(self, texts: list[str], prefix: str, beam: int) -> list[str]:
        """Translate each text; one that is too long for the model goes through it in parts."""
        parts = [self._parts(text) for text in texts]
        opening = [prefix] if prefix else []
        found = self._translator.translate_batch(
            [[*opening, *part, END] for many in parts for part in many],
            beam_size=beam,
            max_batch_size=BATCH,
            max_decoding_length=2 * LONGEST + 64,
        )
        said = iter([self._target.decode(one.hypotheses[0]) for one in found])
        return [" ".join(next(said) for _ in many) for many in parts]

    def _parts(self, text: str) -> list[list[str]]:
        """A text's tokens, parted at commas or between words where they are too many."""
        tokens: list[str] = self._source.encode(text, out_type=str)
        parts = []
        while len(tokens) > LONGEST:
            places = range(LONGEST, LONGEST // 2, -1)
            words = [at for at in places if tokens[at].startswith(WORD)]
            clauses = [at for at in words if tokens[at - 1].endswith(PAUSES)]
            cut = next(iter(clauses or words), LONGEST)
            parts.append(tokens[:cut])
            tokens = tokens[cut:]
        return [*parts, tokens]


def main() -> None:
    """Answer orders until there are no more."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not come between two answers
    models: dict[tuple[str, str, int], Model] = {}
    while True:
        try:
            order = frames.read(orders, frames.Order)
        except EOFError:
            return
        try:
            answer = frames.Answer(_translated(models, order))
        except Exception as error:  # noqa: BLE001 - whatever the engine raises is told to the host
            answer = frames.Answer([], f"{type(error).__name__}: {error}")
        frames.write(answers, answer)


def _translated(models: dict[tuple[str, str, int], Model], order: frames.Order) -> list[str]:
    key = (order.model, order.device, order.threads)
    if key not in models:
        models[key] = Model(*key)
    return models[key].translate(order.texts, order.prefix, order.beam)


if __name__ == "__main__":
    main()
