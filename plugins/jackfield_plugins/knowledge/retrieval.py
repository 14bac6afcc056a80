"""Finding passages: by vectors, by words (BM25), by both fused, and sorted by a reranker.

Fusion is reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009) with their constant: a
passage scores the sum of 1 / (60 + rank) over the lists it is in.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield_plugins.knowledge.catalogue import Catalogue
from jackfield_plugins.knowledge.passages import Passages
from jackfield_plugins.knowledge.records import Asked, Collection, Found, Hit
from jackfield_plugins.knowledge.vectors import Key, Vectors

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield_plugins.knowledge.vectors import Rows

CONSTANT = 60
CANDIDATES = 50
"""Passages that each list may hold at most before they are fused."""
RERANKED = 30
"""Passages that a reranker reads at most."""
SPARE = 4
"""Passages more than are wanted: some may have been removed in this moment."""
HALF = 0.5
"""Part of a question's words, by their weights, for which a passage counts that is little alike."""
WORD = re.compile(r"\w+")
STEM = 6
"""Letters of a word that count, so that its forms are alike."""


class Retrieval:
    """Searches one collection."""

    def __init__(self, catalogue: Catalogue, passages: Passages, vectors: Vectors) -> None:
        self._catalogue = catalogue
        self._passages = passages
        self._vectors = vectors

    def search(self, collection: Collection, asked: Asked, vector: Rows | None) -> Found:
        """The best passages.

        Args:
            vector: the question's, of length 1; None for ``bm25``.
        """
        documents = None
        if asked.filters.given:
            documents = [one.id for one in self._catalogue.documents(collection, asked.filters)]
        count = max(CANDIDATES, asked.k)
        near: Mapping[Key, float] = {}
        worded: dict[Key, float] = {}
        if vector is not None:
            near = self._vectors.nearest(collection.id, vector, count, documents)
        if asked.mode != "vectors":
            worded = dict(self._passages.matching(collection, asked.query, count, documents))
        cosines = dict(near)
        if vector is not None:
            missing = [key for key in worded if key not in near]
            there = self._vectors.get(collection.id, missing)
            cosines |= {key: float(row @ vector) for key, row in there.items()}
        keys = list(dict.fromkeys([*near, *worded]))
        if asked.mode == "vectors":  # in their order already, so the rest is not needed
            keys = keys[: max(asked.k, RERANKED if asked.reranker else 0) + SPARE]
        found = self._passages.hits(collection, keys)
        lists = [[key for key in one if key in found] for one in (near, worded) if one]
        fused = fused_scores(lists)
        hits = [
            msgspec.structs.replace(
                hit,
                cosine=cosines.get(key),
                bm25=worded.get(key),
                fused=fused[key] if asked.mode == "fused" else None,
            )
            for key, hit in found.items()
        ]
        unlike = [one for one in hits if one.bm25 is not None and _is_unlike(one, asked)]
        worthy: set[Any] = set()
        if asked.mode == "fused" and unlike:
            weights = self._passages.weights(collection, asked.query)
            worthy = {one.key for one in unlike if _holds(one.chunk.embedded, weights)}
        return _sorted(hits, asked, worthy)


class Reranker:
    """Sorts what was found by a model that reads question and passage together."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def sort(self, hits: Sequence[Hit], asked: Asked) -> list[Hit]:
        """The hits by the reranker's score; those it did not read are left out.

        Raises:
            JackfieldError: the model is gone, or is no reranker.
        """
        read = list(hits[: max(RERANKED, asked.k)])
        if not read:
            return []
        texts = [hit.chunk.embedded for hit in read]
        ranking = self._app.portal.call(
            self._app.embedding.rerank, asked.reranker, asked.query, texts
        )
        return [
            msgspec.structs.replace(
                read[place], rerank=ranking.scores[place], score=ranking.scores[place]
            )
            for place in ranking.order()
        ]


def fused_scores(lists: Sequence[Sequence[Key]]) -> dict[Key, float]:
    """Reciprocal rank fusion of lists, each the best first."""
    scores: dict[Key, float] = {}
    for one in lists:
        for rank, key in enumerate(one, start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (CONSTANT + rank)
    return scores


def merged(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Hits of several collections as one list, by their ranks: their scores do not compare."""
    if len(lists) == 1:
        return list(lists[0])
    ranked = [
        msgspec.structs.replace(hit, score=1 / (CONSTANT + rank))
        for one in lists
        for rank, hit in enumerate(one, start=1)
    ]
    return sorted(ranked, key=lambda hit: -hit.score)


def _sorted(hits: Sequence[Hit], asked: Asked, worthy: Container[Any]) -> Found:
    """Hits with their final score, the best first, less those that are too little alike.

    Args:
        worthy: chunks that count however little alike they are.
    """
    scored = [
        msgspec.structs.replace(
            hit,
            score=(
                hit.fused
                if hit.fused is not None
                else hit.bm25
                if asked.mode == "bm25"
                else hit.cosine
            )
            or 0.0,
        )
        for hit in hits
    ]
    scored.sort(key=lambda hit: (-hit.score, -(hit.cosine or 0.0), hit.key))
    known = [hit.cosine for hit in scored if hit.cosine is not None]
    kept = [
        hit
        for hit in scored
        if asked.mode == "bm25" or not _is_unlike(hit, asked) or hit.key in worthy
    ]
    return Found(
        hits=tuple(kept),
        below=len(scored) - len(kept),
        closest=max(known, default=None),
    )


def _is_unlike(hit: Hit, asked: Asked) -> bool:
    return hit.cosine is not None and hit.cosine < asked.minimum


def _holds(text: str, weights: Mapping[str, float]) -> bool:
    """Whether a text holds so many of a question's words that it has to do with it."""
    stems = {word[:STEM] for word in WORD.findall(text.lower())}
    held = sum(weight for word, weight in weights.items() if word[:STEM] in stems)
    return held >= HALF * sum(weights.values()) > 0
