"""What a GGUF model is for: writing, embeddings or ranking, by how it pools its tokens' vectors."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from jackfield import ModelFiles
from jackfield_loaders.gguf.options import GgufOptions

Pooling: TypeAlias = Literal["", "mean", "cls", "last", "rank"]

BY_NUMBER: dict[int, Pooling] = {1: "mean", 2: "cls", 3: "last", 4: "rank"}
"""llama.cpp's numbers in the metadata (``llama.h``, ``enum llama_pooling_type``)."""

ENCODERS = frozenset(
    {
        "bert",
        "eurobert",
        "jina-bert-v2",
        "jina-bert-v3",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
    }
)
"""Architectures that write nothing, whatever their metadata say."""


def pooling(files: ModelFiles, options: GgufOptions) -> Pooling:
    """How a text's vector is made, ``rank`` for scores, "" for a model that writes."""
    return pooling_of(files) if options.pooling == "model" else options.pooling


def pooling_of(files: ModelFiles) -> Pooling:
    """The same, as the file says."""
    architecture = str(files.metadata.get("general.architecture", ""))
    number: Any = files.metadata.get(f"{architecture}.pooling_type")
    stated = BY_NUMBER.get(number, "") if isinstance(number, int) else ""
    return stated or ("mean" if architecture in ENCODERS else "")


def purpose(found: Pooling) -> frozenset[str]:
    """The capabilities that follow."""
    if not found:
        return frozenset({"completion", "chat"})
    return frozenset({"rerank" if found == "rank" else "embedding"})
