"""The embedding model of a collection: its vectors, and its way of counting tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jackfield import InvalidRequest, JackfieldError, ModelInfo, NotFound

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield_plugins.knowledge.records import Collection
    from jackfield_plugins.knowledge.vectors import Rows

PROBE = "The quick brown fox jumps over the lazy dog."
"""Its vector tells whether a model is the one that a collection was made with."""
ALIKE = 0.95
"""Least cosine of the probe's vectors by two builds (precisions, formats) of one model."""


class Embedder:
    """Asks one embedding model, which is loaded when it is first asked."""

    def __init__(self, app: Application, model: str) -> None:
        self._app = app
        self.model = model

    @property
    def here(self) -> bool:
        """Whether the model is still in the catalog."""
        try:
            self._app.catalog.find(self.model)
        except NotFound:
            return False
        return True

    def embed(self, texts: Sequence[str]) -> Rows:
        """A vector of length 1 for each text.

        Raises:
            JackfieldError: the model is gone, cannot be loaded, or makes no embeddings.
        """
        import numpy as np

        found = self._app.portal.call(self._app.embedding.embed, self.model, list(texts))
        rows = np.frombuffer(found.vectors, dtype="<f4").reshape(len(texts), found.dimensions)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)

    def probe(self) -> bytes:
        """The vector of the probe, float32."""
        return bytes(self.embed([PROBE])[0].tobytes())

    @cached_property
    def limit(self) -> int:
        """Most tokens of a text."""
        info: ModelInfo = self._app.portal.call(self._info)
        return info.context_length

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of its folder (``tokenizers.Tokenizer``); None where it has none."""
        path = self._app.catalog.find(self.model).files.path
        file = path / "tokenizer.json"
        if not Path(path).is_dir() or not file.is_file():
            return None
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise JackfieldError(
                f"Documents cannot be cut into chunks: {error}.",
                hint="Install what is missing: pip install 'jackfield[knowledge]'",
            ) from error
        found = Tokenizer.from_file(str(file))
        found.no_truncation()
        found.no_padding()
        return found

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special ones included where the tokenizer is known."""
        if self.tokenizer is not None:
            return [len(one.ids) for one in self.tokenizer.encode_batch(list(texts))]
        counts: list[int] = self._app.portal.call(self._count, list(texts))
        return counts

    def check(self, collection: Collection, probe: bytes) -> None:
        """See that this is the model that made the vectors of a collection.

        Raises:
            InvalidRequest: it is another, or it is gone.
        """
        import numpy as np

        able = self._app.embedding.able("embedding")
        if self.model not in able:
            others = ", ".join(repr(one) for one in able)
            raise InvalidRequest(
                f"The collection {collection.name!r} was made with the embedding model "
                f"{self.model!r}, which is not here any more.",
                hint="Bring it back, or create a new collection with another model"
                + (f": {others}." if others else "."),
                model=self.model,
                able=able,
            )
        before = np.frombuffer(probe, dtype=np.float32)
        now = np.frombuffer(self.probe(), dtype=np.float32)
        if len(before) != len(now):
            raise InvalidRequest(
                f"The model {self.model!r} makes vectors of {len(now)} numbers now, and those of "
                f"the collection {collection.name!r} have {len(before)}.",
                hint="It is another model under the same name: bring the old one back, or create "
                "a new collection.",
            )
        if float(before @ now) < ALIKE:
            raise InvalidRequest(
                f"The model {self.model!r} is not the one that the collection "
                f"{collection.name!r} was made with: it gives the same sentence another vector "
                f"(cosine {float(before @ now):.2f}).",
                hint="Bring the old one back, or create a new collection.",
            )

    async def _info(self) -> ModelInfo:
        async with self._app.engine.use(self.model) as resident:
            assert resident.info is not None
            return resident.info

    async def _count(self, texts: list[str]) -> list[int]:
        async with self._app.engine.use(self.model) as resident:
            return list(await asyncio.gather(*(resident.count(text) for text in texts)))
