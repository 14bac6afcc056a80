"""Plugins change the scores of tokens before one is chosen."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from jackfield.loader import Prompt, Token
from jackfield.logits import LogitsProcessor
from jackfield.sampling import SamplingParams
from jackfield.testing.conformance.suite import Suite, close, text_of, within
from jackfield.testing.recorder import Recorder


class Processors(Suite):
    """Logits processors, for models that claim them."""

    def test_processors_see_the_tokens_and_their_scores(self) -> None:
        """The prompt's ids, then the reply's one by one; float32, one number a token."""
        self.claims("logits_processors")
        recorder = self._recorder()
        tokens = self._processed([recorder], 6)
        shown = recorder.shown()
        assert text_of(tokens) == self.greedy(6), "a processor that changes nothing changes it"
        assert shown, "the processor was not asked"
        wanted = [[self.model.info.vocabulary], "float32"]
        for _, *scores in shown:
            assert scores == wanted, f"the scores are {scores}, not {wanted}"
        first = shown[0][0]
        prompt = list(self.model.tokenize(self.prompt))
        assert first[len(first) - len(prompt) :] == prompt, "the prompt's tokens are not shown"
        written = [token.id for token in tokens if token.id is not None]
        for step, (seen, *_) in enumerate(shown):
            assert seen == first + written[:step], f"at step {step} it was shown {seen}"

    def test_processors_decide_what_can_be_chosen(self) -> None:
        """One after the other, also where tokens are drawn by chance; each request has its own."""
        self.claims("logits_processors")
        ids = self.model.tokenize(" the")
        assert len(ids) >= 1, "a word has no tokens"
        recorder = self._recorder()
        forced = self._processed([self._recorder(ids[0]), recorder], 4, temperature=1.0)
        chosen = {token.id for token in forced if token.id is not None}
        assert chosen == {ids[0]}, f"tokens {chosen} were chosen where only {ids[0]} was allowed"
        assert len(recorder.shown()) >= 4, "the second processor was not asked at each step"
        assert self.greedy(4) != text_of(forced), "processors stay after their request"

    def _recorder(self, forced: int = -1) -> Recorder:
        folder = tempfile.mkdtemp(dir=self._folder)
        return Recorder(str(Path(folder) / "shown"), forced)

    def _processed(
        self, processors: list[LogitsProcessor], limit: int, **fields: Any
    ) -> list[Token]:
        sampling = self.greed() | (fields if self.has("temperature") else {})
        params = SamplingParams(max_tokens=limit, **sampling)

        def ask() -> list[Token]:
            iterator = self.model.complete_processed(Prompt(self.prompt), params, processors)
            try:
                return list(iterator)
            finally:
                close(iterator)

        return within(self.patience, ask, "a reply")
