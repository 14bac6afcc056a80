"""``/v1/models``: everything that can be loaded."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.application import Application
from jackfield.catalog.model import CatalogModel

router = APIRouter(tags=["OpenAI"])


class ModelDetails(BaseModel):
    """What Jackfield knows of a model beside OpenAI's fields."""

    format: str
    size: int = Field(description="Bytes of its weights")
    architecture: str
    quantization: str
    context_length: int = Field(description="Tokens it was trained for, 0 if unknown")
    state: str = Field(description="'unloaded', 'loading', 'ready', 'unloading' or 'failed'")


class Model(BaseModel):
    """A model that can be asked for."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="When its file was last changed, seconds since 1970")
    owned_by: str
    jackfield: ModelDetails


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/v1/models")
def list_models(app: App) -> ModelList:
    """All models that can be loaded; asking for one loads it."""
    return ModelList(data=[_model(one, app) for one in app.catalog.scan() if not one.error])


@router.get("/v1/models/{model:path}", responses={404: {"model": ErrorResponse}})
def get_model(model: str, app: App) -> Model:
    """One model."""
    return _model(app.catalog.find(model), app)


def _model(entry: CatalogModel, app: Application) -> Model:
    resident = app.engine.resident(entry.name)
    return Model(
        id=entry.name,
        created=int(entry.path.stat().st_mtime) if entry.path.is_absolute() else 0,
        owned_by=entry.source or "jackfield",
        jackfield=ModelDetails(
            format=entry.format,
            size=entry.size,
            architecture=entry.architecture,
            quantization=entry.quantization,
            context_length=entry.context_length,
            state=resident.state if resident else "unloaded",
        ),
    )
