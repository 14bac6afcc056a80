"""``/api/environments``: interpreters of their own for loaders that clash with others."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import Shown
from jackfield.environment_jobs import EnvironmentJob, ShownEnvironment

router = APIRouter(prefix="/api", tags=["environments"], responses={404: {"model": ErrorResponse}})


class EnvironmentRequest(BaseModel):
    """What to make."""

    name: str = Field(description="The loader's name, or that of an isolated package")


class Removed(BaseModel):
    """What was done."""

    message: str


@router.get("/environments")
def list_environments(app: App) -> list[Shown[ShownEnvironment]]:
    """All environments that are there or that an enabled loader will need."""
    return app.environment_jobs.list()


@router.post("/environments", status_code=202)
def make_environment(sent: EnvironmentRequest, app: App) -> Shown[EnvironmentJob]:
    """Begin to make an environment, if it is not there and right; its `job` tells how it goes."""
    return app.environment_jobs.start(sent.name, "make")


@router.get("/environments/{name}")
def get_environment(name: str, app: App) -> Shown[ShownEnvironment]:
    """One environment, and how far its making is."""
    return app.environment_jobs.get(name)


@router.post("/environments/{name}/repair", status_code=202)
def repair_environment(name: str, app: App) -> Shown[EnvironmentJob]:
    """Begin to make an environment anew, whatever is there; refused while models run in it."""
    return app.environment_jobs.start(name, "repair")


@router.delete("/environments/{name}")
def remove_environment(name: str, app: App) -> Removed:
    """Delete an environment; refused while models run in it. Its loader makes it anew."""
    app.environment_jobs.remove(name)
    return Removed(message=f"The environment {name!r} is gone.")
