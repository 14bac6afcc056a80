"""Routes of plugins: below ``/api/plugins/<name>/``, or where they say; there while enabled."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from contextlib import suppress

import anyio.to_thread
import msgspec
from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from jackfield.api.errors import add_error_handlers, error_answer, error_body
from jackfield.application import Application
from jackfield.errors import JackfieldError
from jackfield.page import Routes
from jackfield.plugin import Plugin

PATH = re.compile(r"/api/plugins/(?P<name>[^/]+)/.+")
OWN_PATH = re.compile(r"/(api|v1)/[a-z0-9_-]+(/[a-z0-9_-]+)*")


class _Made(msgspec.Struct, frozen=True):
    """Routes of one plugin, ready to answer."""

    plugin: Plugin
    answer: ASGIApp | None
    paths: tuple[str, ...] = ()


class PluginRoutes(BaseRoute):
    """Finds the routes of plugins that a path names, at each request.

    Args:
        taken: paths of the program's own, which no plugin may have.
    """

    path = "/api/plugins/{plugin}/{path}"

    def __init__(self, app: Application, taken: frozenset[str]) -> None:
        self._app = app
        self._taken = taken
        self._lock = threading.Lock()
        self._made: dict[str, _Made] = {}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Any path of a plugin's that no route before has taken."""
        if scope["type"] != "http":
            return Match.NONE, {}
        found = PATH.fullmatch(scope["path"])
        if found is not None:
            return Match.FULL, {"route": self, "plugin": found["name"]}
        path = scope["path"]
        ours = any(_within(path, one) for one in self._taken)
        if ours or not path.startswith(("/api/", "/v1/")):
            return Match.NONE, {}
        return Match.FULL, {"route": self, "plugin": ""}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the plugin's routes."""
        name = scope["plugin"]
        own = not name
        try:
            if own:
                # in a thread: routes may have to be made first
                name = await anyio.to_thread.run_sync(self._owner, scope["path"])
                if name is None:
                    raise HTTPException(404)
            made = await anyio.to_thread.run_sync(self._of, name)
        except JackfieldError as error:
            body = error_body(error.message, status=404, code=error.code, hint=error.hint)
            await error_answer(body, 404)(scope, receive, send)
            return
        if made.answer is None or bool(made.paths) != own:
            body = error_body(f"The plugin {name!r} has no routes.", status=404, code="not_found")
            await error_answer(body, 404)(scope, receive, send)
            return
        prefix = "" if own else f"/api/plugins/{name}"
        root = scope.get("root_path", "") + prefix
        await made.answer({**scope, "root_path": root}, receive, send)

    def _owner(self, path: str) -> str | None:
        """The plugin whose own paths hold this one."""
        for name, paths in self._paths().items():
            if any(_within(path, one) for one in paths):
                return name
        return None

    def _paths(self) -> Mapping[str, tuple[str, ...]]:
        """Own paths of enabled plugins; whoever comes first has them."""
        with self._lock:
            self._refresh()
            return {name: one.paths for name, one in self._made.items() if one.paths}

    def _of(self, name: str) -> _Made:
        """The routes of an enabled plugin.

        Raises:
            PluginNotFound: there is no such plugin.
            PluginError: it is not enabled.
        """
        plugin = self._app.plugins.plugin(name)
        with self._lock:
            self._refresh()
            return self._made.get(name, _Made(plugin, None))

    def _refresh(self) -> None:
        """Make routes anew of plugins that were enabled anew, and drop those of others."""
        live: dict[str, Plugin] = {}
        for name in self._app.plugins.with_routes():
            with suppress(JackfieldError):  # it was switched off in this moment
                live[name] = self._app.plugins.plugin(name)
        if {name: one.plugin for name, one in self._made.items()} == live:
            return
        given = dict(self._app.plugins.routes())
        made: dict[str, _Made] = {}
        for name, plugin in live.items():
            known = self._made.get(name)
            if known is None or known.plugin is not plugin:
                held = {path for one in made.values() for path in one.paths}
                known = self._make(name, plugin, given.get(name), held)
            made[name] = known
        self._made = made

    def _make(
        self, name: str, plugin: Plugin, given: APIRouter | Routes | None, held: set[str]
    ) -> _Made:
        if given is None:
            return _Made(plugin, None)
        paths: tuple[str, ...] = ()
        router = given
        if isinstance(given, Routes):
            router, paths = given.router, given.paths
            wrong = self._wrong(given, held)
            if wrong:
                self._app.plugins.complain(name, "routes", wrong)
                return _Made(plugin, None)
        api = FastAPI(title=name, docs_url=None, redoc_url=None)
        api.state.jackfield = self._app
        assert isinstance(router, APIRouter)
        api.include_router(router)
        add_error_handlers(api)
        return _Made(plugin, api, paths)

    def _wrong(self, given: Routes, held: set[str]) -> str:
        """What is wrong with a plugin's own paths, "" if nothing."""
        for path in given.paths:
            if not OWN_PATH.fullmatch(path):
                return f"{path!r} is no path below /api or /v1"
            if any(_within(path, one) or _within(one, path) for one in {*self._taken, *held}):
                return f"the path {path!r} is taken already"
        for route in given.router.routes:
            place = str(getattr(route, "path", ""))
            if not any(_within(place, one) for one in given.paths):
                return f"the route {place!r} lies below none of its paths"
        return ""


def _within(path: str, other: str) -> bool:
    """Whether a path is another or lies below it."""
    return f"{path}/".startswith(f"{other}/")
