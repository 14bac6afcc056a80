"""``/api/models``: what is here, what is loaded, and loading and unloading it."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import APIRouter
from pydantic import BaseModel, Field

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import Shown
from jackfield.application import Application
from jackfield.catalog.model import CatalogModel
from jackfield.engine import Resident, UnloadReport
from jackfield.errors import InvalidRequest, JackfieldError
from jackfield.forecast import Outcome
from jackfield.loader import ModelInfo
from jackfield.machine import MemoryEstimate

router = APIRouter(prefix="/api", tags=["models"], responses={404: {"model": ErrorResponse}})


class ResidentModel(BaseModel):
    """A model in memory, or on its way there or out."""

    model: str
    loader: str
    loader_reason: str = Field(description="Why this loader")
    reasons: list[str] = Field(description="Why each automatic option is what it is")
    needed: dict[str, int] = Field(description="Bytes it was expected to need, by device")
    forced: bool = Field(description="It is loaded though it was not expected to fit")
    state: str = Field(description="'loading', 'ready', 'unloading' or 'failed'")
    stage: str = Field(description="What is being done")
    progress: float = Field(description="0 to 1")
    options: dict[str, Any]
    pid: int | None
    memory: int = Field(description="Bytes of its process")
    memory_before_load: int = Field(description="Bytes of Jackfield before it was loaded")
    active: int = Field(description="Requests it is answering")
    queued: int = Field(description="Requests that wait for it")
    loaded_at: float = Field(description="Seconds since 1970, 0 if it is not loaded yet")
    last_used: float
    load_seconds: float
    error: str
    info: Shown[ModelInfo] | None


class KnownModel(BaseModel):
    """A model on this computer."""

    name: str
    path: str
    format: str
    size: int = Field(description="Bytes of its weights")
    architecture: str
    parameters: int = Field(description="Number of weights, 0 if unknown")
    quantization: str
    context_length: int = Field(description="Tokens it was trained for, 0 if unknown")
    has_chat_template: bool
    license: str
    source: str
    error: str = Field(description="Why it cannot be used, empty if it can")
    loader: str = Field(description="The loader that would open it, empty if none does")
    resident: ResidentModel | None


class LoadRequest(BaseModel):
    """How to load a model."""

    loader: str = Field("", description="Empty: the one set for it, or the best match")
    options: dict[str, Any] | None = Field(None, description="Load options; not given: as set")
    force: bool = Field(False, description="Load it though it is not expected to fit")


class Estimate(BaseModel):
    """How a model would be loaded: with what, why, what it needs, and whether that fits."""

    loader: str
    loader_reason: str = Field(description="Why this loader")
    options: dict[str, Any] = Field(description="Load options, automatic ones decided")
    reasons: list[str] = Field(description="Why each automatic option is what it is")
    needed: Shown[MemoryEstimate] = Field(description="In bytes, by use")
    total: int = Field(description="All that it would need, in bytes")
    by_device: dict[str, int] = Field(description="The same by device")
    free: dict[str, int] = Field(description="Bytes that it may take now, by device")
    outcome: Outcome = Field(
        description="It fits, takes turns (others are unloaded or waited for), or is refused"
    )
    refusal: str = Field(description="Why it is refused, with the numbers; empty if it is not")


class LoaderDescription(BaseModel):
    """A loader, and the options it takes."""

    name: str
    extensions: list[str]
    options: dict[str, Any] = Field(description="JSON schema of its load options")


class Done(BaseModel):
    """It was done."""

    done: bool = True


@router.get("/models")
def list_models(app: App) -> list[KnownModel]:
    """All models on this computer, broken ones with their error."""
    return [_known(one, app) for one in app.catalog.scan()]


@router.get("/models/{model:path}")
def get_model(model: str, app: App) -> KnownModel:
    """One model."""
    return _known(app.catalog.find(model), app)


@router.delete("/models/{model:path}")
async def delete_model(model: str, app: App) -> Done:
    """Delete a model's files; it must not be loaded."""
    entry = await anyio.to_thread.run_sync(app.catalog.find, model)
    if app.engine.resident(entry.name) is not None:
        raise InvalidRequest(
            f"The model {entry.name!r} is loaded.", hint="Unload it first.", param="model"
        )
    await anyio.to_thread.run_sync(app.catalog.remove, entry.name)
    return Done()


@router.post("/models/{model:path}/load")
async def load_model(
    model: str, app: App, sent: LoadRequest | None = None, wait: bool = False
) -> ResidentModel:
    """Load a model, or load it again with other options; with ``wait``, answer when it is ready.

    One that cannot fit is refused with the numbers, unless ``force`` is given.
    """
    how = sent or LoadRequest()
    if wait:
        resident = await app.engine.load(
            model, loader=how.loader, options=how.options, force=how.force
        )
    else:
        resident = app.engine.begin_load(
            model, loader=how.loader, options=how.options, force=how.force
        )
    return _resident(resident)


@router.post("/models/{model:path}/unload")
async def unload_model(model: str, app: App) -> Shown[UnloadReport]:
    """Unload a model and report the memory before and after."""
    return await app.engine.unload(model)


@router.post("/models/{model:path}/estimate")
def estimate(model: str, app: App, sent: LoadRequest | None = None) -> Estimate:
    """How much memory a model would need with these options, and how much there is."""
    how = sent or LoadRequest()
    forecast = app.engine.forecast(model, loader=how.loader, options=how.options)
    plan = forecast.plan
    return Estimate(
        loader=plan.loader.name,
        loader_reason=plan.match.reason,
        options=plan.settled.options.model_dump(mode="json"),
        reasons=list(plan.settled.reasons),
        needed=plan.estimate,
        total=plan.estimate.total,
        by_device=plan.needs,
        free=forecast.free,
        outcome=forecast.outcome,
        refusal=forecast.refusal,
    )


@router.get("/residents")
async def residents(app: App) -> list[ResidentModel]:
    """Models in memory, or on their way there or out."""
    return [_resident(one) for one in app.engine.residents()]


@router.get("/loaders")
def loaders(app: App) -> list[LoaderDescription]:
    """All loaders with their options as JSON schemas."""
    return [
        LoaderDescription(
            name=name,
            extensions=list(loader.extensions),
            options=loader.Options.model_json_schema(),
        )
        for name, loader in app.plugins.loaders().items()
    ]


def _known(entry: CatalogModel, app: Application) -> KnownModel:
    resident = app.engine.resident(entry.name)
    return KnownModel(
        name=entry.name,
        path=str(entry.path),
        format=entry.format,
        size=entry.size,
        architecture=entry.architecture,
        parameters=entry.parameters,
        quantization=entry.quantization,
        context_length=entry.context_length,
        has_chat_template=bool(entry.chat_template),
        license=entry.license,
        source=entry.source,
        error=entry.error,
        loader="" if entry.error else _loader(entry, app),
        resident=_resident(resident) if resident else None,
    )


def _loader(entry: CatalogModel, app: Application) -> str:
    try:
        return app.engine.choose_loader(entry)[0].name
    except JackfieldError:
        return ""  # no loader opens it, or the user has not chosen between several


def _resident(one: Resident) -> ResidentModel:
    return ResidentModel(
        model=one.model,
        loader=one.loader,
        loader_reason=one.plan.match.reason,
        reasons=list(one.plan.settled.reasons),
        needed=one.plan.needs,
        forced=one.forced,
        state=one.state,
        stage=one.stage,
        progress=one.progress,
        options=one.options,
        pid=one.pid,
        memory=one.memory,
        memory_before_load=one.memory_before_load,
        active=one.active,
        queued=one.queued,
        loaded_at=one.loaded_at or 0,
        last_used=one.last_used or 0,
        load_seconds=one.load_seconds or 0,
        error=str(one.error or ""),
        info=one.info,
    )
