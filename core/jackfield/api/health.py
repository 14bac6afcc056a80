"""``/health`` and ``/metrics``."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.responses import Response

from jackfield.api.context import App, Counts

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Whether the server is well."""

    status: Literal["ok"] = "ok"
    name: Literal["jackfield"] = "jackfield"
    version: str = Field("", description="Empty for a caller without a key")
    models: list[str] = Field([], description="Resident models; empty for a caller without a key")


@router.get("/health")
async def health(request: Request, app: App) -> Health:
    """Answer that the server is up; to a caller with a key, also what is loaded."""
    if getattr(request.state, "access", "none") == "none":
        return Health()
    models = [one.model for one in app.engine.residents() if one.state == "ready"]
    return Health(version=app.version, models=models)


@router.get("/metrics", response_class=Response)
async def metrics(counts: Counts) -> Response:
    """Measurements in Prometheus' text format."""
    return Response(counts.text(), media_type=CONTENT_TYPE_LATEST)
