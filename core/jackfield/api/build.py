"""The API as one FastAPI application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from jackfield.api import (
    chat,
    completions,
    conversations,
    embeddings,
    health,
    manage_downloads,
    manage_environments,
    manage_models,
    manage_plugins,
    model_settings,
    models,
    rerank,
    settings,
    tokens,
    traces,
)
from jackfield.api.body_limit import BodyLimit
from jackfield.api.docs import add_docs
from jackfield.api.errors import add_error_handlers
from jackfield.api.metrics import MeasuredRequests, Metrics
from jackfield.api.plugin_routes import PluginRoutes
from jackfield.application import Application

FIRST_PARTS = frozenset({"v1", "api", "health", "metrics", "docs", "openapi.json"})
"""First parts of the paths that belong to the API; all others are the dashboard's."""

MODULES = (
    models,
    chat,
    completions,
    embeddings,
    rerank,
    tokens,
    traces,
    conversations,
    model_settings,  # before the paths that end with a model's name, which may have slashes
    manage_models,
    manage_downloads,
    manage_plugins,
    manage_environments,
    settings,
    health,
)

DESCRIPTION = """OpenAI's API at `/v1`, and management at `/api`.

Every answer to a turn names it (`jackfield.turn`), and `/api/traces/{turn}` tells what plugins did
to it. A request may add and leave out plugins: `"plugins": {"on": ["a"], "off": ["b"]}`."""


def build_api(app: Application) -> FastAPI:
    """The API of an application, which need not be running yet."""
    api = FastAPI(
        title="Jackfield",
        version=app.version,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    api.state.jackfield = app
    api.state.metrics = Metrics(app)
    for module in MODULES:
        api.include_router(module.router)
    api.router.routes.append(PluginRoutes(app, _taken()))
    add_docs(api)
    add_error_handlers(api)
    api.add_middleware(BodyLimit)
    api.add_middleware(MeasuredRequests, metrics=api.state.metrics)
    return api


def _taken() -> frozenset[str]:
    """The program's own paths, without their variable parts, and where plugins' others lie."""
    own = {route.path for module in MODULES for route in module.router.routes}
    fixed = {path.partition("/{")[0] for path in own if path.startswith(("/api/", "/v1/"))}
    return frozenset({*fixed, "/api/plugins"})


class ApiRoute(BaseRoute):
    """Sends the API's paths to it, unchanged, beside the dashboard's."""

    def __init__(self, api: ASGIApp) -> None:
        self._api = api

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """By the first part of the path."""
        first = scope["path"].lstrip("/").partition("/")[0]
        return (Match.FULL if first in FIRST_PARTS else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the API answer."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._api(scope, receive, send)
