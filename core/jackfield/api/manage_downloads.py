"""``/api/sources``, ``/api/search``, ``/api/offers``, ``/api/downloads``: getting more models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import Shown
from jackfield.catalog.downloads import Download, SearchResult
from jackfield.catalog.source import Offer
from jackfield.errors import InvalidRequest

router = APIRouter(prefix="/api", tags=["downloads"], responses={404: {"model": ErrorResponse}})

Source = Annotated[str, Query(description="Ask this source alone; empty: all")]


class SourceDescription(BaseModel):
    """A place where models can be got, and what it lists without being searched."""

    name: str
    title: str
    resumes: bool = Field(description="Its downloads can be paused and go on from there")
    offers: list[Shown[Offer]]


class FoundOffer(BaseModel):
    """An offer and where it is from."""

    source: str
    offer: Shown[Offer]


class DownloadRequest(BaseModel):
    """What to fetch."""

    reference: str = Field(
        "",
        description="What to fetch: a name, owner/name, owner/name:Q4_K_M, owner/name@revision, "
        "or the address of a .gguf file",
    )
    offer: str = Field("", description="The same; one of the two is needed")
    source: str = Field("", description="Its source; empty: the first that knows it")
    name: str = Field("", description="What it shall be called here; empty: as the source says")


@router.get("/sources")
def sources(app: App) -> list[SourceDescription]:
    """All sources of models with what they list."""
    listed = app.downloads.offers()
    return [
        SourceDescription(
            name=name,
            title=source.title,
            resumes=source.resumes,
            offers=[offer for owner, offer in listed if owner == name],
        )
        for name, source in app.plugins.model_sources().items()
    ]


@router.get("/search")
def search(
    app: App,
    q: Annotated[str, Query(description="Words, or a part of a name")],
    source: Source = "",
) -> list[Shown[SearchResult]]:
    """Search the sources; one that cannot be asked says why. Sizes come with ``/api/offers``."""
    return app.downloads.search(q, source)


@router.get("/offers")
def offers(
    app: App,
    reference: Annotated[str, Query(description="A name, owner/name or an address")],
    source: Source = "",
) -> list[FoundOffer]:
    """What can be fetched for a reference, such as quantizations, with files and sizes."""
    found = app.downloads.variants(reference, source)
    return [FoundOffer(source=name, offer=offer) for name, offer in found]


@router.get("/downloads")
def list_downloads(app: App) -> list[Shown[Download]]:
    """Downloads since the start and those that were interrupted before it, newest first."""
    return app.downloads.list()


@router.post("/downloads", status_code=202)
def start_download(sent: DownloadRequest, app: App) -> Shown[Download]:
    """Begin to fetch a model, or go on with it if it was paused."""
    asked = sent.reference or sent.offer
    if not asked:
        raise InvalidRequest("'reference' says what to fetch, and is missing.", param="reference")
    source, offer = app.downloads.resolve(asked, sent.source)
    return app.downloads.start(source, offer, sent.name)


@router.get("/downloads/{download}")
def get_download(download: str, app: App) -> Shown[Download]:
    """How far a download is."""
    return app.downloads.get(download)


@router.post("/downloads/{download}/pause")
def pause_download(download: str, app: App) -> Shown[Download]:
    """Stop a download and keep what has arrived."""
    app.downloads.pause(download)
    return app.downloads.get(download)


@router.post("/downloads/{download}/resume")
def resume_download(download: str, app: App) -> Shown[Download]:
    """Go on with a download that is paused or has failed."""
    return app.downloads.resume(download)


@router.post("/downloads/{download}/cancel")
def cancel_download(download: str, app: App) -> Shown[Download]:
    """Stop a download and throw away what has arrived."""
    app.downloads.cancel(download)
    return app.downloads.get(download)


@router.delete("/downloads/{download}")
def remove_download(download: str, app: App) -> Shown[Download]:
    """Take a download that has ended off the list; return it as it was."""
    found = app.downloads.get(download)
    app.downloads.remove(download)
    return found
