"""Plugins change the scores of tokens before one is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jackfield.loader import Prompt, Token
from jackfield.logits import Processing
from jackfield.sampling import SamplingParams
from jackfield.testing.conformance.suite import NotClaimed, Suite, close, text_of, within
from jackfield.testing.worker_model import WorkerModel


class Recorder:
    """A processor that notes what it is shown, and may force one token."""

    def __init__(self, forced: int | None = None) -> None:
        self.seen: list[list[int]] = []
        self.shapes: set[tuple[tuple[int, ...], str]] = set()
        self._forced = forced

    def __call__(self, tokens: Sequence[int], scores: Any) -> Any:
        """The scores, or those that leave the forced token alone."""
        self.seen.append(list(tokens))
        self.shapes.add((scores.shape, str(scores.dtype)))
        if self._forced is not None:
            kept = scores[self._forced]
            scores[:] = float("-inf")
            scores[self._forced] = kept
        return scores


class Processors(Suite):
    """Logits processors, for models that claim them."""

    def test_processors_see_the_tokens_and_their_scores(self) -> None:
        """The prompt's ids, then the reply's one by one; float32, one number a token."""
        recorder = Recorder()
        tokens = self._processed([recorder], 6)
        assert text_of(tokens) == self.greedy(6), "a processor that changes nothing changes it"
        wanted = {((self.model.info.vocabulary,), "float32")}
        assert recorder.shapes == wanted, f"the scores are {recorder.shapes}, not {wanted}"
        first = recorder.seen[0]
        prompt = self.model.tokenize(self.prompt)
        assert first[len(first) - len(prompt) :] == prompt, "the prompt's tokens are not shown"
        written = [token.id for token in tokens if token.id is not None]
        for step, seen in enumerate(recorder.seen):
            assert seen == first + written[:step], f"at step {step} it was shown {seen}"

    def test_processors_decide_what_can_be_chosen(self) -> None:
        """One after the other, also where tokens are drawn by chance; each request has its own."""
        ids = self.model.tokenize(" the")
        assert len(ids) >= 1, "a word has no tokens"
        recorder = Recorder()
        forced = self._processed([Recorder(ids[0]), recorder], 4, temperature=1.0)
        chosen = {token.id for token in forced if token.id is not None}
        assert chosen == {ids[0]}, f"tokens {chosen} were chosen where only {ids[0]} was allowed"
        assert len(recorder.seen) >= 4, "the second processor was not asked at each step"
        assert self.greedy(4) != text_of(forced), "processors stay after their request"

    def _processed(self, processors: list[Processing], limit: int, **fields: Any) -> list[Token]:
        self.claims("logits_processors")
        if isinstance(self.model, WorkerModel):
            raise NotClaimed("not claimed: processors of this process in another")
        sampling = self.greed() | ({} if not self.has("temperature") else fields)
        params = SamplingParams(max_tokens=limit, **sampling)

        def ask() -> list[Token]:
            prompt = Prompt(self.prompt)
            iterator = self.model.complete_processed(prompt, params, processors)
            try:
                return list(iterator)
            finally:
                close(iterator)

        return within(self.patience, ask, "a reply")
