"""Keeps a reply from saying the same words twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jackfield import Field, LoadedModel, LogitsProcessor, Plugin, hookimpl

if TYPE_CHECKING:
    from jackfield.pipeline import Turn


class NoRepeat(Plugin):
    """Never lets the model write the same run of tokens twice in a reply."""

    enabled_by_default = False

    class Config(Plugin.Config):
        """Options of the plugin."""

        size: int = Field(
            5,
            ge=2,
            le=50,
            description="Tokens in a row that may not come twice (a token is about three quarters "
            "of a word); fewer is stricter",
        )
        prompt_too: bool = Field(
            False,
            description="Nor may the reply repeat what the prompt says: your message, the agent "
            "description and earlier replies",
        )

    @hookimpl
    def jackfield_logits_processors(self, turn: Turn) -> Sequence[LogitsProcessor]:
        """The processor that bans what would repeat a run."""
        return [RunsOnce(self.config.size, self.config.prompt_too)]


class RunsOnce(LogitsProcessor):
    """Bans each token that would end a run of ``size`` tokens which was there before.

    Source: Paulus et al. 2017, arXiv:1705.04304, section 2.5 (there for runs of three).
    """

    size: int
    prompt_too: bool = False

    def begin(self, model: LoadedModel, prompt: Sequence[int]) -> None:
        """Nothing has been said yet."""
        self._read = 0 if self.prompt_too else len(prompt)
        self._start = self._read
        self._after: dict[tuple[int, ...], set[int]] = {}

    def __call__(self, tokens: Sequence[int], scores: Any) -> Any:
        """The scores, those of tokens that would complete a run again at ``-inf``."""
        lead = self.size - 1
        for end in range(max(self._read, self._start + lead), len(tokens)):
            self._after.setdefault(tuple(tokens[end - lead : end]), set()).add(tokens[end])
        self._read = len(tokens)
        if len(tokens) - self._start >= lead:
            banned = self._after.get(tuple(tokens[-lead:]))
            if banned:
                scores[list(banned)] = float("-inf")
        return scores
