"""What a folder of weights is for: embeddings, ranking, or something else."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

from jackfield import ModelFiles

Kind: TypeAlias = Literal["embedding", "rerank", ""]

ENCODERS = frozenset(
    {
        "albert",
        "bert",
        "camembert",
        "deberta",
        "deberta-v2",
        "distilbert",
        "electra",
        "mobilebert",
        "modernbert",
        "mpnet",
        "nomic_bert",
        "roberta",
        "roformer",
        "xlm-roberta",
    }
)
"""Model types that read a text whole and write none."""


def config(files: ModelFiles) -> dict[str, Any]:
    """The model's config.json."""
    found = files.metadata.get("config")
    return found if isinstance(found, dict) else {}


def kind(files: ModelFiles) -> tuple[Kind, str]:
    """What the model is for, "" for something else, and how that is known."""
    about = config(files)
    architecture = next(iter(about.get("architectures") or ()), "")
    stated = _stated(files)
    if stated not in ("", "CrossEncoder", "SentenceTransformer"):
        return "", ""
    if stated == "CrossEncoder" or _one_score(about, architecture):
        return "rerank", f"a cross-encoder ({architecture or 'of sentence-transformers'})"
    if files.metadata.get("modules"):
        return "embedding", "an embedding model of sentence-transformers"
    if about.get("model_type") in ENCODERS and architecture.endswith(("Model", "ForMaskedLM")):
        return "embedding", f"an encoder ({architecture}): the mean of its tokens' vectors"
    return "", ""


def _stated(files: ModelFiles) -> str:
    """What sentence-transformers itself wrote down; older models say nothing."""
    try:
        text = (files.path / "config_sentence_transformers.json").read_text(encoding="utf-8")
        return str(json.loads(text).get("model_type", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _one_score(about: dict[str, Any], architecture: str) -> bool:
    """A classifier with a single output; one with several sorts texts into classes."""
    labels = about.get("id2label") or {}
    single = about.get("num_labels", len(labels)) == 1
    return architecture.endswith("ForSequenceClassification") and single
