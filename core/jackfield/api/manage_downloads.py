"""``/api/sources`` and ``/api/downloads``: getting more models."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import Shown
from jackfield.catalog.downloads import Download
from jackfield.catalog.source import Offer

router = APIRouter(prefix="/api", tags=["downloads"], responses={404: {"model": ErrorResponse}})


class SourceDescription(BaseModel):
    """A place where models can be got, and what it has."""

    name: str
    title: str
    offers: list[Shown[Offer]]


class DownloadRequest(BaseModel):
    """What to fetch."""

    offer: str = Field(description="Name of the offer")
    source: str = Field("", description="Its source; empty: the first that offers it")


@router.get("/sources")
def sources(app: App) -> list[SourceDescription]:
    """All sources of models with their offers."""
    return [
        SourceDescription(name=name, title=source.title, offers=list(source.offers()))
        for name, source in app.plugins.model_sources().items()
    ]


@router.get("/downloads")
def list_downloads(app: App) -> list[Shown[Download]]:
    """Downloads since the start, newest first."""
    return app.downloads.list()


@router.post("/downloads", status_code=202)
def start_download(sent: DownloadRequest, app: App) -> Shown[Download]:
    """Begin to fetch a model."""
    source = sent.source or app.downloads.find_offer(sent.offer)[0]
    return app.downloads.start(source, sent.offer)


@router.get("/downloads/{download}")
def get_download(download: str, app: App) -> Shown[Download]:
    """How far a download is."""
    return app.downloads.get(download)


@router.post("/downloads/{download}/cancel")
def cancel_download(download: str, app: App) -> Shown[Download]:
    """Stop a download and throw away what has arrived."""
    app.downloads.cancel(download)
    return app.downloads.get(download)
