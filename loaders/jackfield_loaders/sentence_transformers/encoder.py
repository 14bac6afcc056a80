"""Embedding models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from jackfield import Embeddings, InvalidRequest, LoadFailed, ModelFiles
from jackfield_loaders.sentence_transformers.engine import ROUND, Engine, opened
from jackfield_loaders.sentence_transformers.gatherer import Gatherer
from jackfield_loaders.sentence_transformers.options import SentenceTransformersOptions

Vector = NDArray[np.float32]


class Encoder(Engine):
    """An embedding model; texts of several requests are computed together."""

    def __init__(self, files: ModelFiles, options: SentenceTransformersOptions) -> None:
        from sentence_transformers import SentenceTransformer

        model = opened(SentenceTransformer, files, options)
        self._prompt = _prompt(model, options.prompt_name)
        super().__init__(model, files, options, capabilities=frozenset({"embedding"}))
        self._gatherer: Gatherer[str, Vector] = Gatherer(self._encode, options.batch_size * ROUND)
        # In the thread that computes later: OpenMP's threads wait idly, and a third slower, once
        # two threads have computed.
        (vector,) = self._gatherer.ask(["a"])
        self.info = msgspec.structs.replace(self.info, embedding_dimensions=len(vector))

    def embed(self, texts: Sequence[str], *, dimensions: int = 0) -> Embeddings:
        """A vector for each text, beginning with the prompt that was chosen at loading."""
        whole = self.info.embedding_dimensions
        if dimensions > whole:
            raise InvalidRequest(
                f"{dimensions} dimensions were asked for; the model has {whole}.",
                param="dimensions",
            )
        if not texts:
            return Embeddings(b"", dimensions or whole)
        counts = self.lengths([self._prompt + text for text in texts])
        rows = np.stack(self._gatherer.ask(texts))
        if dimensions:
            rows = rows[:, :dimensions]
        if self._options.normalize or dimensions:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return Embeddings(rows.astype("<f4").tobytes(), rows.shape[1], sum(counts))

    def close(self) -> None:
        """End the thread that computes."""
        self._gatherer.close()

    def _encode(self, texts: list[str]) -> Sequence[Vector]:
        options: dict[str, Any] = {"prompt": self._prompt or None}
        options |= {"batch_size": self._options.batch_size, "show_progress_bar": False}
        found: NDArray[np.float32] = self.computed(lambda: self._model.encode(texts, **options))
        return list(found.astype(np.float32, copy=False))


def _prompt(model: Any, name: str) -> str:
    """The text of one of the model's prompts, its default for "".

    Raises:
        LoadFailed: it has none of that name.
    """
    prompts = {key: text for key, text in (model.prompts or {}).items() if text}
    wanted = name or model.default_prompt_name or ""
    if wanted and wanted not in prompts:
        have = f"It has: {', '.join(sorted(prompts))}." if prompts else "It has none."
        raise LoadFailed(f"The model has no prompt {wanted!r}.", hint=have)
    return str(prompts.get(wanted, ""))
