"""What a collection consists of, and what a search in it finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlencode

import msgspec

Kind: TypeAlias = Literal["file", "upload", "page", "text"]
State: TypeAlias = Literal["pending", "ready", "failed"]
Mode: TypeAlias = Literal["vectors", "bm25", "fused"]
MODES: tuple[Mode, ...] = ("vectors", "bm25", "fused")


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """Documents that are searched together, all embedded by one model.

    Attributes:
        model: the embedding model, by its name in the catalog.
        dimensions: length of its vectors.
        chunk_tokens: most tokens of a chunk, by the embedding model's tokenizer.
        overlap: most tokens that two neighbouring chunks share.
        created: seconds since the epoch.
        documents, chunks: how many there are.
        folders: those that are watched.
    """

    id: int
    name: str
    model: str
    dimensions: int
    chunk_tokens: int
    overlap: int
    created: float
    documents: int = 0
    chunks: int = 0
    folders: tuple[str, ...] = ()


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a document comes from.

    Attributes:
        uri: a path, an address, or ``text:NAME``; unique in a collection.
        name: what the user calls it.
        path: the file to read: its own, or the copy that was kept; None for a web page.
        folder: the watched folder it lies in, or "".
    """

    kind: Kind
    uri: str
    name: str
    path: Path | None = None
    folder: str = ""


class IndexedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document of a collection.

    Attributes:
        digest: sha256 of its content, "" before it was read.
        state: ``pending`` until its chunks are searchable; an old version of it stays so.
        error: why it could not be read, "" if it could.
        notes: what of it could not be read.
        version: how many times it was indexed.
    """

    id: int
    uri: str
    kind: Kind
    title: str
    digest: str
    modified: float
    size: int
    chunks: int
    state: State
    error: str
    notes: str
    version: int
    folder: str
    path: str


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A passage of a document.

    Attributes:
        number: its place in the document, from 0.
        heading: title of the document and the headings it stands under, joined by `` › ``.
        page: number of its page, slide or sheet, from 1; 0 where there are none.
        start: where it begins in the document's text, in characters.
        tokens: with its heading, by the embedding model's tokenizer; near that for some models.
    """

    number: int
    heading: str
    text: str
    page: int = 0
    start: int = 0
    tokens: int = 0

    @property
    def embedded(self) -> str:
        """What is embedded: a passage is often understood by its heading alone."""
        return f"{self.heading}\n\n{self.text}" if self.heading else self.text


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that a search found.

    Attributes:
        title, source, kind: its document's.
        score: what the hits are sorted by; higher is better.
        cosine, bm25, fused, rerank: its scores by each part of the search; None where that part
            did not find or judge it.
    """

    collection: str
    document: int
    title: str
    source: str
    kind: str
    chunk: Chunk
    score: float = 0.0
    cosine: float | None = None
    bm25: float | None = None
    fused: float | None = None
    rerank: float | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells it from others."""
        return self.collection, self.document, self.chunk.number

    @property
    def label(self) -> str:
        """Its source as the user reads it: document, headings, page."""
        page = f" (page {self.chunk.page})" if self.chunk.page else ""
        return f"{self.chunk.heading or self.title}{page}"

    @property
    def uri(self) -> str:
        """Where the dashboard shows it."""
        place = {
            "collection": self.collection,
            "document": self.document,
            "chunk": self.chunk.number,
        }
        return f"/knowledge?{urlencode(place)}"


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which documents to search; empty fields let all pass.

    Attributes:
        source: a pattern such as ``*.pdf`` for the path, address or name.
        title: a part of the title.
        kind: ``file``, ``upload``, ``page`` or ``text``.
    """

    source: str = ""
    title: str = ""
    kind: str = ""

    @property
    def given(self) -> bool:
        """Whether they leave anything out."""
        return bool(self.source or self.title or self.kind)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How to search.

    Attributes:
        k: most passages to find.
        reranker: model that sorts what was found, "" for none.
        minimum: least cosine between question and passage; 0 for any. Not for ``bm25``.
    """

    query: str
    mode: Mode = "fused"
    k: int = 6
    reranker: str = ""
    minimum: float = 0.0
    filters: Filters = Filters()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found, and what it left out.

    Attributes:
        below: how many passages were less alike than the least cosine.
        closest: the greatest cosine among all, None where none was computed.
    """

    hits: tuple[Hit, ...] = ()
    below: int = 0
    closest: float | None = None


def places(hits: Sequence[Hit]) -> dict[tuple[str, int, int], int]:
    """The rank of each hit, from 1."""
    return {hit.key: rank for rank, hit in enumerate(hits, start=1)}
