"""Embeddings by llama-cpp-python, one request at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from jackfield import (
    Embeddings,
    InvalidRequest,
    LoaderError,
    LoadFailed,
    ModelFiles,
    Prompt,
    SamplingParams,
    Token,
)
from jackfield_loaders.gguf.llama_cpp_engine import LlamaCppModel
from jackfield_loaders.gguf.options import GgufOptions
from jackfield_loaders.gguf.pooling import pooling, purpose
from jackfield_loaders.gguf.sampling import encodable
from jackfield_loaders.gguf.vectors import check_dimensions, check_lengths, packed


class LlamaCppVectors(LlamaCppModel):
    """An embedding model. The library reads beyond a ranking's one score, so it ranks nothing."""

    def __init__(self, files: ModelFiles, options: GgufOptions) -> None:
        found = purpose(pooling(files, options))
        if "rerank" in found:
            raise LoadFailed(
                f"llama-cpp-python cannot rank with {files.path.name!r}.",
                hint="Load it with the engine xllamacpp.",
            )
        super().__init__(files, options)
        self.info = msgspec.structs.replace(
            self.info,
            capabilities=found,
            chat_template="",
            sampling_fields=frozenset(),
            embedding_dimensions=self._llama.n_embd(),
        )

    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        """Refused: the context is made for embeddings."""
        raise InvalidRequest("This model does not generate text.")

    def embed(self, texts: Sequence[str], *, dimensions: int = 0) -> Embeddings:
        """A vector for each text."""
        whole = self.info.embedding_dimensions
        check_dimensions(dimensions, whole)
        if not texts:
            return Embeddings(b"", dimensions or whole)
        plain = [encodable(text) for text in texts]
        counts = [len(self._llama.tokenize(text.encode(), special=False)) for text in plain]
        check_lengths(counts, self.info.context_length)
        with self._one:
            try:
                rows = self._llama.embed(plain, truncate=False)
            except (ValueError, RuntimeError) as error:
                raise LoaderError(f"The engine failed: {error}.") from error
        return packed(np.array(rows, dtype=np.float32), sum(counts), dimensions)
