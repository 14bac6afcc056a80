"""Log probabilities are those of a distribution."""

from __future__ import annotations

import math

from jackfield.loader import Token
from jackfield.testing.conformance.suite import Suite

ROUNDING = 1e-3
"""By how much engines' probabilities may miss."""


class Probabilities(Suite):
    """What ``logprobs`` brings."""

    def test_log_probabilities_come_only_where_asked(self) -> None:
        """And then for every token, with as many alternatives, sorted and different."""
        self.samples("logprobs")
        for token in self._asked(3):
            given = [alternative.logprob for alternative in token.top]
            assert len(given) == 3, f"{len(given)} alternatives, not 3"
            assert given == sorted(given, reverse=True), f"alternatives out of order: {given}"
            assert len({alternative.id for alternative in token.top}) == 3, "alternatives repeat"
        plain = self.complete(max_tokens=3)
        assert all(token.logprob is None for token in plain), "logprobs come without being asked"

    def test_alternatives_are_a_distribution(self) -> None:
        """Their probabilities sum to at most 1, and more of them to more."""
        self.samples("logprobs")
        sums = {}
        for wanted in (1, 5):
            chances = [
                [math.exp(alternative.logprob) for alternative in token.top]
                for token in self._asked(wanted)
            ]
            sums[wanted] = [sum(one) for one in chances]
            most = max(sums[wanted])
            assert most <= 1 + ROUNDING, f"{wanted} alternatives have a probability of {most:.4f}"
        assert sum(sums[5]) > sum(sums[1]), "five alternatives are no likelier than one"

    def test_the_likeliest_token_is_chosen_at_temperature_0(self) -> None:
        """It is the first of its alternatives, with the same probability."""
        self.samples("logprobs", "temperature")
        for token in self._asked(3):
            best = token.top[0]
            assert token.logprob is not None
            assert abs(token.logprob - best.logprob) < ROUNDING, (
                f"the token's logprob is {token.logprob}, the best alternative's {best.logprob}"
            )
            if token.id is not None:
                same = [one.id for one in token.top if one.logprob > best.logprob - ROUNDING]
                assert token.id in same, f"token {token.id} was written, {best.id} is likelier"

    def _asked(self, wanted: int) -> list[Token]:
        tokens = self.complete(max_tokens=6, logprobs=wanted, **self.greed())
        written = [token for token in tokens if token.finish is None and token.text]
        assert written, "there is no token"
        for token in written:
            assert token.logprob is not None and token.logprob <= ROUNDING, (
                f"the logprob of {token.text!r} is {token.logprob}"
            )
        return written
