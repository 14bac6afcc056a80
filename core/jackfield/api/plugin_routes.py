"""Routes of plugins, below ``/api/plugins/<name>/``: there while their plugin is enabled."""

from __future__ import annotations

import re
import threading

import anyio.to_thread
from fastapi import FastAPI
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from jackfield.api.errors import add_error_handlers, error_answer, error_body
from jackfield.application import Application
from jackfield.errors import JackfieldError
from jackfield.plugin import Plugin

PATH = re.compile(r"/api/plugins/(?P<name>[^/]+)/.+")


class PluginRoutes(BaseRoute):
    """Finds the routes of the plugin that a path names, at each request."""

    path = "/api/plugins/{plugin}/{path}"

    def __init__(self, app: Application) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._made: dict[str, tuple[Plugin, ASGIApp | None]] = {}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Any path below a plugin's name that no route before has taken."""
        found = PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            return Match.NONE, {}
        return Match.FULL, {"route": self, "plugin": found["name"]}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the plugin's routes."""
        name = scope["plugin"]
        try:
            routes = await anyio.to_thread.run_sync(self._routes, name)
        except JackfieldError as error:
            body = error_body(error.message, status=404, code=error.code, hint=error.hint)
            await error_answer(body, 404)(scope, receive, send)
            return
        if routes is None:
            body = error_body(f"The plugin {name!r} has no routes.", status=404, code="not_found")
            await error_answer(body, 404)(scope, receive, send)
            return
        prefix = f"/api/plugins/{name}"
        await routes({**scope, "root_path": scope.get("root_path", "") + prefix}, receive, send)

    def _routes(self, name: str) -> ASGIApp | None:
        """The routes of an enabled plugin, made anew when it was enabled anew; None if it has none.

        Raises:
            PluginNotFound: there is no such plugin.
            PluginError: it is not enabled.
        """
        plugin = self._app.plugins.plugin(name)
        with self._lock:
            known, made = self._made.get(name, (None, None))
            if known is not plugin:
                made = self._make(name)
                self._made[name] = (plugin, made)
            return made

    def _make(self, name: str) -> ASGIApp | None:
        router = dict(self._app.plugins.routes()).get(name)
        if router is None:
            return None
        api = FastAPI(title=name, docs_url=None, redoc_url=None)
        api.state.jackfield = self._app
        api.include_router(router)
        add_error_handlers(api)
        return api
