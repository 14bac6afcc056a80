"""``/v1/rerank``: Jina's and Cohere's."""

from __future__ import annotations

import uuid
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from jackfield.api.context import App, Counts
from jackfield.api.errors import ErrorResponse

router = APIRouter(
    tags=["OpenAI"],
    responses={status: {"model": ErrorResponse} for status in (400, 404, 503)},
)

EXAMPLE: JsonDict = {
    "model": "bge-reranker-base",
    "query": "What is the capital of France?",
    "documents": ["Bread is baked.", "Paris is the capital of France."],
    "top_n": 1,
}


class RerankDocument(BaseModel):
    """A document as an object."""

    model_config = ConfigDict(extra="ignore")

    text: str


class RerankRequest(BaseModel):
    """A question, and documents that may answer it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    model: str = Field(min_length=1, description="A model of /v1/models; loaded if it is not yet")
    query: str = Field(description="What is looked for")
    documents: list[str | RerankDocument] = Field(description="Texts, or objects with a text")
    top_n: int | None = Field(None, ge=1, description="How many of the best to answer; all")
    return_documents: bool = Field(False, description="Repeat the documents' texts")


class RerankResult(BaseModel):
    """One document's score."""

    index: int = Field(description="Its place among the documents sent")
    relevance_score: float = Field(description="Higher is better; mostly 0 to 1")
    document: RerankDocument | None = None


class RerankUsage(BaseModel):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int


class RerankList(BaseModel):
    """The documents by their score, the best first."""

    id: str
    object: Literal["list"] = "list"
    model: str
    results: list[RerankResult]
    usage: RerankUsage


@router.post("/v1/rerank", response_model_exclude_none=True)
async def rerank(sent: RerankRequest, app: App, counts: Counts) -> RerankList:
    """Sort documents by how well they answer a question; loads the model if it is not."""
    texts = [one if isinstance(one, str) else one.text for one in sent.documents]
    found = await app.embedding.rerank(sent.model, sent.query, texts)
    counts.tokens.labels(sent.model, "prompt").inc(found.tokens)
    results = [
        RerankResult(
            index=index,
            relevance_score=found.scores[index],
            document=RerankDocument(text=texts[index]) if sent.return_documents else None,
        )
        for index in found.order()[: sent.top_n]
    ]
    return RerankList(
        id=f"rerank-{uuid.uuid4().hex}",
        model=sent.model,
        results=results,
        usage=RerankUsage(prompt_tokens=found.tokens, total_tokens=found.tokens),
    )
