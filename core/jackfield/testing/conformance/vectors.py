"""Embeddings and rankings: of the right shape, repeatable, and sensible."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jackfield.errors import InvalidRequest, PromptTooLong
from jackfield.testing.conformance.suite import NotClaimed, Suite, within
from jackfield.testing.conformance.traffic import at_once
from jackfield.vectors import Embeddings, Ranking

CAT = "A cat is sleeping on the sofa."
KITTEN = "A kitten naps on the couch."
BANK = "The central bank raised interest rates again in March."
CLOSE = 0.999
"""Cosine of vectors that are held to be the same: batches are rounded differently."""

QUESTION = "What is the capital of France?"
ANSWER = "Paris is the capital and largest city of France."
OTHERS = (
    "Bread is baked from flour, water, salt and yeast.",
    "The engine of the car needs new oil every year.",
)


class Vectors(Suite):
    """``embed`` and ``rerank``."""

    def test_embeddings_have_the_shape_it_says(self) -> None:
        """A row a text, as long as ``info.embedding_dimensions``, of finite numbers."""
        self.claims("embedding")
        found = self._embed([CAT, KITTEN, BANK])
        assert len(found) == 3, f"{len(found)} vectors for 3 texts"
        stated = self.model.info.embedding_dimensions
        assert stated > 0, "info.embedding_dimensions is not set"
        assert found.dimensions == stated, f"{found.dimensions} dimensions, {stated} stated"
        assert all(math.isfinite(one) for row in found.rows() for one in row), "not a number"
        assert len(self._embed([])) == 0, "vectors of no texts"

    def test_embeddings_have_length_one(self) -> None:
        """As OpenAI's have, unless the option ``normalize`` says otherwise."""
        self.claims("embedding")
        if not getattr(self.options, "normalize", True):
            raise NotClaimed("not claimed: option normalize is off")
        for row in self._embed([CAT, BANK]).rows():
            length = math.hypot(*row)
            assert abs(length - 1) < 1e-3, f"a vector has the length {length:.4f}"

    def test_embeddings_of_a_text_are_always_the_same(self) -> None:
        """Alone, again, and in a batch at another place."""
        self.claims("embedding")
        alone = self._embed([CAT]).rows()[0]
        texts = [BANK * 3, KITTEN, CAT, "x"]
        for what, row in {
            "asked again": self._embed([CAT]).rows()[0],
            "in a batch": self._embed(texts).rows()[texts.index(CAT)],
        }.items():
            alike = cosine(alone, row)
            assert alike > CLOSE, f"{what} the vector is another: cosine {alike:.4f}"

    def test_similar_texts_have_similar_embeddings(self) -> None:
        """A paraphrase is closer than a text about something else."""
        self.claims("embedding")
        cat, kitten, bank = self._embed([CAT, KITTEN, BANK]).rows()
        near, far = cosine(cat, kitten), cosine(cat, bank)
        assert near > far, f"{KITTEN!r} has cosine {near:.3f} to {CAT!r}, {BANK!r} {far:.3f}"

    def test_embeddings_can_be_shortened(self) -> None:
        """To the first numbers, of length 1 again; more than there are is refused."""
        self.claims("embedding")
        whole = self._embed([CAT])
        half = whole.dimensions // 2
        short = within(self.patience, lambda: self.model.embed([CAT], dimensions=half), "embedding")
        assert short.dimensions == half, f"{short.dimensions} dimensions, {half} asked for"
        (row,) = short.rows()
        assert abs(math.hypot(*row) - 1) < 1e-3, f"its length is {math.hypot(*row):.4f}"
        alike = cosine(row, whole.rows()[0][:half])
        assert alike > CLOSE, f"they are not the first {half}: cosine {alike:.4f}"
        try:
            self.model.embed([CAT], dimensions=whole.dimensions + 1)
        except InvalidRequest:
            return
        raise AssertionError("more dimensions than it has are not refused")

    def test_embeddings_at_once_do_not_mix(self) -> None:
        """Each request gets the vectors of its own texts."""
        self.claims("embedding")
        texts = (CAT, KITTEN, BANK, QUESTION)
        alone = [self._embed([text]).rows()[0] for text in texts]

        def ask(number: int) -> str:
            row = self._embed([texts[number]]).rows()[0]
            alike = cosine(row, alone[number])
            return "" if alike > CLOSE else f"{texts[number]!r}: cosine {alike:.3f}"

        wrong = [said for said in at_once(ask, len(texts), self.patience) if said]
        assert not wrong, f"at once the vector is another than alone: {wrong[0]}"

    def test_a_text_that_is_too_long_to_embed_is_refused(self) -> None:
        """PromptTooLong with both numbers, not a vector of its beginning."""
        self.claims("embedding")
        limit = self.model.info.context_length
        try:
            self._embed([self.filler * (limit + 8)])
        except PromptTooLong as error:
            assert error.details.get("tokens", 0) > error.details.get("limit", 0) > 0, (
                f"the numbers are {error.details}"
            )
        else:
            raise AssertionError("a text longer than the model reads was not refused")
        assert len(self._embed([CAT])) == 1

    def test_ranking_puts_the_answer_first(self) -> None:
        """A score a document in their order, whatever that is."""
        self.claims("rerank")
        documents = [OTHERS[0], ANSWER, OTHERS[1]]
        scores = self._rerank(documents).scores
        assert len(scores) == 3, f"{len(scores)} scores for 3 documents"
        assert scores[1] == max(scores), f"the answer has {scores[1]:.3f} of {scores}"
        turned = self._rerank(documents[::-1]).scores[::-1]
        apart = max(abs(one - other) for one, other in zip(scores, turned, strict=True))
        assert apart < 0.01 * max(1, *map(abs, scores)), f"{scores} in another order are {turned}"
        assert self._rerank([]).scores == (), "scores of no documents"

    def _embed(self, texts: Sequence[str]) -> Embeddings:
        return within(self.patience, lambda: self.model.embed(texts), "embedding")

    def _rerank(self, documents: Sequence[str]) -> Ranking:
        return within(self.patience, lambda: self.model.rerank(QUESTION, documents), "ranking")


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of the angle between two vectors; 0 if one has no length."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other) or math.inf)
