"""``/api/models/{model}/settings`` and ``/adapters``: what is saved for a model and attached."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import Shown
from jackfield.application import Application
from jackfield.catalog.adapters import AdapterFolder
from jackfield.engine import Resident
from jackfield.errors import JackfieldError, NotFound
from jackfield.settings import AdapterSettings, ModelSettings

router = APIRouter(
    prefix="/api",
    tags=["models"],
    responses={400: {"model": ErrorResponse}, 404: {"model": ErrorResponse}},
)


class SavedForModel(BaseModel):
    """What is saved for a model."""

    model: str = Field(description="Its name")
    settings: ModelSettings
    automatic_loader: str = Field(
        description="The loader that is chosen where none is saved, empty if you have to choose"
    )
    automatic_reason: str = Field(description="Why that one, or why none")


class Attached(BaseModel):
    """The LoRA adapters of a model in memory."""

    model: str
    adapters: list[AdapterSettings]


class Attaching(BaseModel):
    """The adapters that a model is to have, and no others."""

    adapters: list[AdapterSettings] = Field(description="None at all: an empty list")


@router.get("/models/{model:path}/settings")
def get_model_settings(model: str, app: App) -> SavedForModel:
    """What is saved for a model: alias, loader, load options, template, sampling, and more."""
    return _saved(model, app)


@router.put("/models/{model:path}/settings")
def replace_model_settings(model: str, sent: dict[str, Any], app: App) -> SavedForModel:
    """Save these settings for a model; what is not sent is at its default."""
    name = app.catalog.find(model).name
    app.model_settings.replace(name, sent)
    return _saved(name, app)


@router.patch("/models/{model:path}/settings")
def change_model_settings(model: str, sent: dict[str, Any], app: App) -> SavedForModel:
    """Change what is sent and leave the rest; null returns a field to its default.

    `options` and `sampling` are changed name by name. A wrong value changes nothing, and
    `details.errors` says why, by field.
    """
    name = app.catalog.find(model).name
    app.model_settings.change(name, sent)
    return _saved(name, app)


@router.delete("/models/{model:path}/settings")
def forget_model_settings(model: str, app: App) -> SavedForModel:
    """Return all settings of a model to their defaults."""
    name = app.catalog.find(model).name
    app.model_settings.forget(name)
    return _saved(name, app)


@router.get("/models/{model:path}/adapters")
async def get_adapters(model: str, app: App) -> Attached:
    """The LoRA adapters that are attached to a model in memory."""
    resident = app.engine.resident(model)
    if resident is None:
        raise NotFound(f"Model {model!r} is not loaded.", hint="Load it first.")
    return _attached(resident)


@router.put("/models/{model:path}/adapters")
async def set_adapters(model: str, sent: Attaching, app: App) -> Attached:
    """Attach these adapters to a model in memory and detach all others, without a reload.

    They hold from its next request on until it is unloaded. To have some attached at each load,
    save them in the model's settings.
    """
    return _attached(await app.engine.adapters.set(model, sent.adapters))


@router.get("/adapters")
def list_adapters(app: App) -> list[Shown[AdapterFolder]]:
    """LoRA adapters on this computer, broken ones with their error."""
    return list(app.catalog.adapters())


def _saved(model: str, app: Application) -> SavedForModel:
    entry = app.catalog.find(model)
    try:
        loader, match = app.model_settings.automatic_loader(entry)
        name, reason = loader.name, match.reason
    except JackfieldError as error:
        name, reason = "", error.message
    return SavedForModel(
        model=entry.name,
        settings=app.model_settings.get(entry.name),
        automatic_loader=name,
        automatic_reason=reason,
    )


def _attached(resident: Resident) -> Attached:
    adapters = [AdapterSettings(path=str(one.path), scale=one.scale) for one in resident.adapters]
    return Attached(model=resident.model, adapters=adapters)
