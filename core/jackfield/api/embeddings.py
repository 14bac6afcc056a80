"""``/v1/embeddings``: OpenAI's."""

from __future__ import annotations

import base64
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from jackfield.api.context import App, Counts
from jackfield.api.errors import ErrorResponse
from jackfield.vectors import Embeddings

router = APIRouter(
    tags=["OpenAI"],
    responses={status: {"model": ErrorResponse} for status in (400, 404, 503)},
)

EXAMPLE: JsonDict = {"model": "all-minilm-l6-v2", "input": ["A cat sleeps.", "A kitten naps."]}


class EmbeddingsRequest(BaseModel):
    """Texts to embed."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    model: str = Field(min_length=1, description="A model of /v1/models; loaded if it is not yet")
    input: str | list[str] | list[int] | list[list[int]] = Field(
        description="A text, several texts, or the model's own token ids of one or several"
    )
    encoding_format: Literal["float", "base64"] | None = Field(
        None, description="Numbers, or base64 of little-endian 32-bit floats; numbers if not given"
    )
    dimensions: int | None = Field(
        None, ge=1, description="Shorten the vectors to their first numbers, of length 1 again"
    )
    user: str | None = Field(None, description="Not used")


class EmbeddingItem(BaseModel):
    """The vector of one text."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    """Tokens read; there are no others."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(BaseModel):
    """The vectors, in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[EmbeddingItem]
    model: str
    usage: EmbeddingUsage


@router.post("/v1/embeddings", response_model=EmbeddingList)
async def embeddings(sent: EmbeddingsRequest, app: App, counts: Counts) -> Any:
    """Vectors of texts; loads the model if it is not."""
    found = await app.embedding.embed(
        sent.model, _several(sent.input), dimensions=sent.dimensions or 0
    )
    counts.tokens.labels(sent.model, "prompt").inc(found.tokens)
    vectors = _encoded(found) if sent.encoding_format == "base64" else found.rows()
    body = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "model": sent.model,
        "usage": {"prompt_tokens": found.tokens, "total_tokens": found.tokens},
    }
    # Written as it is: checking a hundred thousand numbers takes longer than computing them.
    return Response(msgspec.json.encode(body), media_type="application/json")


def _several(given: str | list[str] | list[int] | list[list[int]]) -> list[str] | list[list[int]]:
    """The texts as a list, though one may come alone."""
    if isinstance(given, str):
        return [given]
    if given and isinstance(given[0], int):
        return [[int(token) for token in given if isinstance(token, int)]]
    return given  # type: ignore[return-value] # pydantic has seen that its items are alike


def _encoded(found: Embeddings) -> list[str]:
    """Each vector as base64 of its bytes."""
    width = 4 * found.dimensions
    return [
        base64.b64encode(found.vectors[at : at + width]).decode()
        for at in range(0, len(found.vectors), width)
    ]
