"""Embedding models and cross-encoders, run by sentence-transformers."""

from __future__ import annotations

from jackfield import Loader, Plugin, Reach, hookimpl
from jackfield_loaders.sentence_transformers.loader import SentenceTransformersLoader

__all__ = ["SentenceTransformers", "SentenceTransformersLoader"]


class SentenceTransformers(Plugin):
    """Loads embedding models and rerankers with sentence-transformers."""

    requires_api = ">=1,<2"
    reach = Reach()

    @hookimpl
    def jackfield_loaders(self) -> list[type[Loader]]:
        """The loader for folders of sentence-transformers, plain encoders and cross-encoders."""
        return [SentenceTransformersLoader]
