"""The loader of embedding models and cross-encoders."""

from __future__ import annotations

import os
from typing import ClassVar

from jackfield import (
    LoadedModel,
    Loader,
    LoadFailed,
    LoadOptions,
    Machine,
    Match,
    MemoryEstimate,
    ModelFiles,
    Settled,
)
from jackfield_loaders.sentence_transformers import memory
from jackfield_loaders.sentence_transformers.identify import ENCODERS, config, kind
from jackfield_loaders.sentence_transformers.options import SentenceTransformersOptions


class SentenceTransformersLoader(Loader):
    """Opens folders of safetensors with sentence-transformers."""

    name: ClassVar[str] = "sentence_transformers"
    folders: ClassVar[tuple[str, ...]] = ("safetensors",)
    Options: ClassVar[type[LoadOptions]] = SentenceTransformersOptions
    extra: ClassVar[str] = "jackfield[sentence-transformers]"

    def probe(self, files: ModelFiles) -> Match | None:
        """Embedding models, cross-encoders with one score, and plain encoders."""
        if files.format != "safetensors":
            return None
        purpose, reason = kind(files)
        if not purpose:
            return None
        plain = purpose == "embedding" and not files.metadata.get("modules")
        return Match(50 if plain else 90, reason, frozenset({purpose}))

    def settle(
        self, files: ModelFiles, options: SentenceTransformersOptions, machine: Machine
    ) -> Settled:
        """Device, data type and threads; and no longer texts than the model has positions for."""
        chosen: dict[str, object] = {}
        reasons = []
        if options.device == "auto":
            chosen["device"], reason = memory.device(files, options, machine)
            reasons.append(reason)
        device = str(chosen.get("device", options.device))
        if options.dtype == "auto":
            stored = memory.stored(files)
            chosen["dtype"] = "float32" if device == "cpu" else stored
            reasons.append(
                "float32, the fastest type on most processors."
                if device == "cpu"
                else f"{stored}, as the weights are stored."
            )
        if not options.n_threads:
            chosen["n_threads"] = machine.cores
        about = config(files)
        # Families outside this list count positions in other ways, or have none.
        known = about.get("model_type") in ENCODERS
        positions = int(about.get("max_position_embeddings") or 0) if known else 0
        if about.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
            positions -= 2  # theirs begin at 2
        if 0 < positions < options.max_seq_length:
            chosen["max_seq_length"] = positions
            reasons.append(f"Texts of at most {positions:,} tokens: it has no more positions.")
        return Settled(options.model_copy(update=chosen), tuple(reasons))

    def estimate(self, files: ModelFiles, options: SentenceTransformersOptions) -> MemoryEstimate:
        """Weights, a batch of the longest texts, and the libraries."""
        return memory.estimate(files, options)

    def load(self, files: ModelFiles, options: SentenceTransformersOptions) -> LoadedModel:
        """Load the model from its folder alone; nothing is fetched."""
        purpose, _ = kind(files)
        if not purpose:
            raise LoadFailed(f"{files.path.name!r} is neither an embedding model nor a reranker.")
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the library is imported
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
        if purpose == "rerank":
            from jackfield_loaders.sentence_transformers.reranker import Reranker

            return Reranker(files, options)
        from jackfield_loaders.sentence_transformers.encoder import Encoder

        return Encoder(files, options)
