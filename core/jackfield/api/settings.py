"""``/api/settings`` and ``/api/sampling``: what can be set, and how it is set."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import Shown
from jackfield.sampling import SamplingParams, SamplingPreset
from jackfield.settings import Settings

router = APIRouter(prefix="/api", tags=["settings"], responses={400: {"model": ErrorResponse}})


class Change(BaseModel):
    """New values of settings."""

    values: dict[str, Any] = Field(
        description="Dotted key to value, e.g. 'engine.idle_minutes'; null is the default"
    )


class CurrentSettings(BaseModel):
    """The settings, and what is wrong with their file since it was last read whole."""

    settings: Settings
    problem: str


class Sampling(BaseModel):
    """Sampling parameters and their presets."""

    fields: dict[str, Any] = Field(
        description="JSON schema; each field has its neutral value and source"
    )
    presets: list[Shown[SamplingPreset]]


@router.get("/settings")
def get_settings(app: App) -> CurrentSettings:
    """All settings as they are now."""
    return CurrentSettings(settings=app.settings.value, problem=str(app.settings.problem or ""))


@router.patch("/settings")
def set_settings(sent: Change, app: App) -> CurrentSettings:
    """Change settings, all of those sent or none."""
    app.settings.update(list(sent.values.items()))
    return get_settings(app)


@router.get("/settings/schema")
def settings_schema() -> dict[str, Any]:
    """JSON schema of the settings."""
    return Settings.model_json_schema()


@router.get("/sampling")
def sampling(app: App) -> Sampling:
    """All sampling parameters with bounds, help and source, and the presets."""
    return Sampling(
        fields=SamplingParams.model_json_schema(),
        presets=list(app.plugins.sampling_presets().values()),
    )
