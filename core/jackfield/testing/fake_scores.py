"""Scores of a fake model, for logits processors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jackfield.logits import Processing


def processed(
    reply: Sequence[int],
    prompt: Sequence[int],
    processors: Sequence[Processing],
    vocabulary: int,
) -> Iterator[int]:
    """The ids of a reply as the processors let them through.

    The next id of the reply has the score 1 and all others 0; the best is said. Ids beyond the
    vocabulary are said as they are.
    """
    if not processors:
        yield from reply
        return
    import numpy as np

    seen = list(prompt)
    for wanted in reply:
        said = wanted
        if wanted < vocabulary:
            scores = np.zeros(vocabulary, np.float32)
            scores[wanted] = 1
            for processor in processors:
                scores = processor(seen, scores)
            said = int(scores.argmax())
        seen.append(said)
        yield said
