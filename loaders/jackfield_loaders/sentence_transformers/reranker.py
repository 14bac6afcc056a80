"""Cross-encoders."""

from __future__ import annotations

from collections.abc import Sequence

from jackfield import ModelFiles, Ranking
from jackfield_loaders.sentence_transformers.engine import ROUND, Engine, opened
from jackfield_loaders.sentence_transformers.gatherer import Gatherer
from jackfield_loaders.sentence_transformers.options import SentenceTransformersOptions

Pair = tuple[str, str]


class Reranker(Engine):
    """A cross-encoder; pairs of several requests are computed together."""

    def __init__(self, files: ModelFiles, options: SentenceTransformersOptions) -> None:
        from sentence_transformers import CrossEncoder

        model = opened(CrossEncoder, files, options)
        super().__init__(model, files, options, capabilities=frozenset({"rerank"}))
        self._gatherer: Gatherer[Pair, float] = Gatherer(self._scores, options.batch_size * ROUND)

    def rerank(self, query: str, documents: Sequence[str]) -> Ranking:
        """A score for each document, mostly 0 to 1, as the model's own settings say."""
        if not documents:
            return Ranking(())
        counts = self.lengths([query] * len(documents), list(documents))
        scores = self._gatherer.ask([(query, document) for document in documents])
        return Ranking(tuple(scores), sum(counts))

    def close(self) -> None:
        """End the thread that computes."""
        self._gatherer.close()

    def _scores(self, pairs: list[Pair]) -> Sequence[float]:
        size = self._options.batch_size
        found = self.computed(
            lambda: self._model.predict(pairs, batch_size=size, show_progress_bar=False)
        )
        return [float(score) for score in found]
