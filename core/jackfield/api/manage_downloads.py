"""``/api/sources`` and ``/api/downloads``: getting more models."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import model_of
from jackfield.catalog.downloads import Download
from jackfield.catalog.source import Offer

router = APIRouter(prefix="/api", tags=["downloads"], responses={404: {"model": ErrorResponse}})


class SourceDescription(BaseModel):
    """A place where models can be got, and what it has."""

    name: str
    title: str
    offers: list[model_of(Offer)]  # type: ignore[misc]  # a class that is made here


class DownloadRequest(BaseModel):
    """What to fetch."""

    offer: str = Field(description="Name of the offer")
    source: str = Field("", description="Its source; empty: the first that offers it")


@router.get("/sources", response_model=list[SourceDescription])
def sources(app: App) -> Any:
    """All sources of models with their offers."""
    return [
        {
            "name": name,
            "title": source.title,
            "offers": [msgspec.to_builtins(one) for one in source.offers()],
        }
        for name, source in app.plugins.model_sources().items()
    ]


@router.get("/downloads", response_model=list[model_of(Download)])
def list_downloads(app: App) -> Any:
    """Downloads since the start, newest first."""
    return [msgspec.to_builtins(one) for one in app.downloads.list()]


@router.post("/downloads", response_model=model_of(Download), status_code=202)
def start_download(sent: DownloadRequest, app: App) -> Any:
    """Begin to fetch a model."""
    source = sent.source or app.downloads.find_offer(sent.offer)[0]
    return msgspec.to_builtins(app.downloads.start(source, sent.offer))


@router.get("/downloads/{download}", response_model=model_of(Download))
def get_download(download: str, app: App) -> Any:
    """How far a download is."""
    return msgspec.to_builtins(app.downloads.get(download))


@router.post("/downloads/{download}/cancel", response_model=model_of(Download))
def cancel_download(download: str, app: App) -> Any:
    """Stop a download and throw away what has arrived."""
    app.downloads.cancel(download)
    return msgspec.to_builtins(app.downloads.get(download))
