"""What both engines need for embeddings: shortened vectors, and the error for long texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jackfield import Embeddings, InvalidRequest, PromptTooLong


def check_dimensions(asked: int, whole: int) -> None:
    """See that a model has as many dimensions as are asked for.

    Raises:
        InvalidRequest: it has fewer.
    """
    if asked > whole:
        raise InvalidRequest(
            f"{asked} dimensions were asked for; the model has {whole}.", param="dimensions"
        )


def packed(rows: NDArray[np.float32], tokens: int, dimensions: int) -> Embeddings:
    """Rows of length 1, shortened if ``dimensions`` is not 0."""
    if dimensions:
        rows = rows[:, :dimensions]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return Embeddings(rows.astype("<f4").tobytes(), rows.shape[1], tokens)


def check_lengths(counts: list[int], limit: int) -> None:
    """See that every text fits.

    Args:
        counts: tokens of each text, with those put around it.

    Raises:
        PromptTooLong: one does not.
    """
    for place, count in enumerate(counts):
        if count > limit:
            raise PromptTooLong(
                f"Text {place} has {count:,} tokens and the model reads at most {limit:,}.",
                hint="Cut it into pieces, or load the model with a larger n_ctx if it allows one.",
                tokens=count,
                limit=limit,
                index=place,
                param="input",
            )
