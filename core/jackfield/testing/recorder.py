"""A logits processor for tests, by itself: workers of other environments import little."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jackfield.logits import LogitsProcessor


class Recorder(LogitsProcessor):
    """Notes in a file what it is shown, and may force one token."""

    file: str
    forced: int = -1

    def __call__(self, tokens: Sequence[int], scores: Any) -> Any:
        """The scores, or those that leave the forced token alone."""
        with Path(self.file).open("a", encoding="utf-8") as file:
            file.write(json.dumps([list(tokens), scores.shape, str(scores.dtype)]) + "\n")
        if self.forced >= 0:
            kept = scores[self.forced]
            scores[:] = float("-inf")
            scores[self.forced] = kept
        return scores

    def shown(self) -> list[Any]:
        """Tokens, shape and kind of the scores at each step."""
        path = Path(self.file)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]
