"""Embeddings and rankings by xllamacpp's server."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from jackfield import (
    Embeddings,
    InvalidRequest,
    LoaderError,
    ModelFiles,
    ModelInfo,
    Prompt,
    Ranking,
    SamplingParams,
    Token,
)
from jackfield_loaders.gguf.options import GgufOptions
from jackfield_loaders.gguf.pooling import pooling, purpose
from jackfield_loaders.gguf.sampling import encodable
from jackfield_loaders.gguf.vectors import check_dimensions, check_lengths, packed
from jackfield_loaders.gguf.xllamacpp_engine import XllamacppModel

PROBABILITIES = ("qwen3", "qwen3vl")
"""Architectures whose scores the engine has made probabilities already."""

AROUND = 4
"""Most tokens that the engine puts around and between a query and a document."""


class XllamacppVectors(XllamacppModel):
    """An embedding model or a reranker; texts of all requests are computed in one batch."""

    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        """Refused: the engine computes no next token for a pooled model."""
        raise InvalidRequest("This model does not generate text.")

    def embed(self, texts: Sequence[str], *, dimensions: int = 0) -> Embeddings:
        """A vector for each text."""
        if "embedding" not in self.info.capabilities:
            return super().embed(texts, dimensions=dimensions)
        whole = self.info.embedding_dimensions
        check_dimensions(dimensions, whole)
        if not texts:
            return Embeddings(b"", dimensions or whole)
        request = {"input": [encodable(text) for text in texts], "encoding_format": "base64"}
        answer = self._asked(self._server.handle_embeddings, request, lambda: self._long(texts))
        rows = [
            np.frombuffer(base64.b64decode(one["embedding"]), dtype="<f4")
            for one in sorted(answer["data"], key=lambda one: int(one["index"]))
        ]
        return packed(np.stack(rows), int(answer["usage"]["prompt_tokens"]), dimensions)

    def rerank(self, query: str, documents: Sequence[str]) -> Ranking:
        """A score from 0 to 1 for each document."""
        if "rerank" not in self.info.capabilities:
            return super().rerank(query, documents)
        if not documents:
            return Ranking(())
        request = {"query": encodable(query), "documents": [encodable(one) for one in documents]}
        pairs = [f"{query} {one}" for one in documents]
        answer = self._asked(
            self._server.handle_rerank, request, lambda: self._long(pairs, AROUND - 2)
        )
        scores = [0.0] * len(documents)
        for one in answer["results"]:
            scores[int(one["index"])] = self._probability(float(one["relevance_score"]))
        return Ranking(tuple(scores), int(answer["usage"]["prompt_tokens"]))

    def _probability(self, score: float) -> float:
        if self.info.architecture in PROBABILITIES:
            return score
        return 0.5 * (1.0 + math.tanh(score / 2))  # the logistic function, which cannot overflow

    def _asked(
        self,
        handle: Callable[[dict[str, Any]], dict[str, Any]],
        request: dict[str, Any],
        check: Callable[[], None],
    ) -> dict[str, Any]:
        """The engine's answer; if it refuses, ``check`` looks for a text that is too long."""
        answer = handle(request)
        if "error" not in answer:
            return answer
        check()
        raise LoaderError(f"The engine failed: {answer['error'].get('message', '')}")

    def _long(self, texts: Sequence[str], more: int = 0) -> None:
        body = {"add_special": True, "parse_special": False}
        counts = [
            len(self._loopback.ask("/tokenize", {"content": text, **body})["tokens"]) + more
            for text in texts
        ]
        check_lengths(counts, self.info.context_length)

    def _info(self, files: ModelFiles, options: GgufOptions) -> ModelInfo:
        info = super()._info(files, options)
        found = purpose(pooling(files, options))
        size = 0
        if "embedding" in found:
            answer = self._server.handle_embeddings({"input": ["a"]})
            if "error" in answer:
                raise LoaderError(f"The engine failed: {answer['error'].get('message', '')}")
            size = len(answer["data"][0]["embedding"])
        return msgspec.structs.replace(
            info,
            capabilities=found,
            chat_template="",
            sampling_fields=frozenset(),
            embedding_dimensions=size,
        )
