"""The server: dashboard, API and engine in one process on one port."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

import anyio

from jackfield.application import Application
from jackfield.listening import listen, url_of
from jackfield.security.hosts import EVERYWHERE, is_loopback

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI
    from streamlit.starlette import App

SCRIPT = Path(__file__).parent / "dashboard" / "main.py"
LONGEST_FAREWELL = 1
"""Seconds that running requests are given when the server ends."""


def build_api(application: Application) -> FastAPI:
    """The HTTP API alone, without the dashboard."""
    from jackfield.api.build import build_api as build

    return build(application)


def build_app(
    application: Application | None = None, *, host: str | None = None, running: bool = False
) -> App:
    """Dashboard and API as one ASGI application; arguments as for ``app_parts``."""
    from streamlit.starlette import App

    return App(SCRIPT, **app_parts(application, host=host, running=running))


def app_parts(
    application: Application | None = None, *, host: str | None = None, running: bool = False
) -> dict[str, Any]:
    """What makes a Streamlit ``App`` with the script ``SCRIPT`` into Jackfield.

    Args:
        application: what to serve; one over the user's data folder if not given.
        host: the address it will listen on, on which depends whether a key is needed; if not
            given, what Streamlit was told, all addresses if nothing.
        running: the caller runs the application; otherwise it runs with the server's lifespan.

    Raises:
        JackfieldError: the data folder or its settings cannot be used.
    """
    from starlette.middleware import Middleware
    from streamlit import config

    from jackfield.api.build import ApiRoute
    from jackfield.dashboard.current import attach
    from jackfield.security.gate import Gate

    app = application or Application.create()
    bound = host or str(config.get_option("server.address") or EVERYWHERE[0])
    for name, value in streamlit_options(bound).items():
        config.set_option(name, value)
    attach(app)
    return {
        "lifespan": _lifespan_with(app, bound) if not running else _lifespan_of_a_running,
        "routes": [ApiRoute(build_api(app))],
        "middleware": [Middleware(Gate, settings=app.settings, bound=bound)],
    }


def _lifespan_with(app: Application, bound: str) -> Callable[[App], Any]:
    """A lifespan that runs the application, for servers that know nothing of it."""

    @asynccontextmanager
    async def lifespan(_: App) -> AsyncIterator[None]:
        from streamlit import config

        port = int(config.get_option("server.port"))
        async with app.running(serve=True):
            keys = _new_keys(app, bound)
            with announced(app, bound, port):
                _settle()
                for line in _welcome(app, url_of(bound, port), keys):
                    _print(line)
                yield

    return lifespan


@asynccontextmanager
async def _lifespan_of_a_running(_: App) -> AsyncIterator[None]:
    yield


def streamlit_options(host: str) -> dict[str, Any]:
    """Streamlit's options for a program that one person runs at home: quiet, closed, light."""
    from jackfield.dashboard.theme import theme_options

    return {
        "browser.gatherUsageStats": False,
        "client.allowedOrigins": [],
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "client.toolbarMode": "minimal",
        "global.developmentMode": False,
        "logger.hideWelcomeMessage": True,
        "runner.fastReruns": True,
        "runner.magicEnabled": False,
        "runner.postScriptGC": False,  # a full collection after each rerun stalls every stream
        "server.address": host,
        "server.baseUrlPath": "",
        "server.enableStaticServing": False,
        "server.fileWatcherType": "none",  # it would make second copies of live objects
        "server.headless": True,
        "server.maxUploadSize": 100,  # MB
        "server.runOnSave": False,
        "server.showEmailPrompt": False,
        **theme_options(),
    }


def serve(
    application: Application | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
    open_browser: bool | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM; then all workers have ended.

    What is not given is taken from the settings. Port 0 is any free one.

    Args:
        say: told what the user should read, a line at a time; standard output if not given.

    Raises:
        HomeInUse: another server has this data folder.
        JackfieldError: the address cannot be listened on, or the settings cannot be used.
    """
    app = application or Application.create()
    settings = app.settings.value.server
    bound = host or settings.host
    opened = listen(bound, settings.port if port is None else port)
    try:
        url = url_of(bound, opened.getsockname()[1])
        opens = settings.open_browser if open_browser is None else open_browser
        with logged(app.paths.logs / "server.log"):
            asyncio.run(_serve(app, bound, opened, url, opens, say or _print))
    finally:
        opened.close()


async def _serve(
    app: Application,
    bound: str,
    opened: socket,
    url: str,
    opens: bool,
    say: Callable[[str], None],
) -> None:
    with _patient_signals() as stop:
        async with app.running(serve=True):
            keys = _new_keys(app, bound)
            with announced(app, bound, opened.getsockname()[1]):

                def ready() -> None:
                    _settle()
                    for line in _welcome(app, url, keys):
                        say(line)
                    if opens:
                        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

                server = _uvicorn(build_app(app, host=bound, running=True), app, ready)
                if not stop.asked:
                    await server.serve(sockets=[opened])


def _uvicorn(asgi: App, app: Application, ready: Callable[[], None]) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        """Tells when it is ready, and lets running replies end with a clear error."""

        async def startup(self, sockets: list[socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

        async def shutdown(self, sockets: list[socket] | None = None) -> None:
            await asyncio.gather(super().shutdown(sockets), _end_replies(app))

    _join_logs()
    options = uvicorn.Config(
        asgi,
        log_config=None,
        access_log=False,
        lifespan="on",
        http="httptools",  # streams in small pieces, at a fraction of what h11 takes
        proxy_headers=False,  # the gate looks at them itself
        server_header=False,
        timeout_graceful_shutdown=LONGEST_FAREWELL,
        ws="websockets-sansio",
        ws_max_size=32 * 1024 * 1024,
    )
    return Server(options)


@contextmanager
def announced(app: Application, bound: str, port: int) -> Iterator[None]:
    """Tell other processes of this user where the server is and how to manage it."""
    from jackfield.security.keys import Keys

    path = app.paths.server
    note = {
        "pid": os.getpid(),
        "url": url_of(bound, port),
        "admin_key": Keys(app.settings).admin,
    }
    fresh = path.with_suffix(".tmp")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)  # the owner's alone before anything is in it
    fresh.write_text(json.dumps(note))
    fresh.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Write the server's log to a file, warnings also to standard error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    to_file = RotatingFileHandler(path, maxBytes=5_000_000, backupCount=3, encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    to_screen = logging.StreamHandler()
    to_screen.setLevel(logging.WARNING)
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    for handler in (to_file, to_screen):
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in (to_file, to_screen):
            root.removeHandler(handler)
            handler.close()
        root.setLevel(before)


class _Stop:
    """Whether somebody has asked the server to end."""

    def __init__(self) -> None:
        self.asked = False

    def note(self, number: int, frame: object) -> None:
        """Take a signal."""
        self.asked = True


async def _end_replies(app: Application) -> None:
    """End what is being written: chats of the dashboard are saved as stopped, requests fail."""
    app.jobs.stop()
    with anyio.move_on_after(LONGEST_FAREWELL):
        while app.jobs.running():
            await anyio.sleep(0.02)
    await app.engine.stop()


def _join_logs() -> None:
    """Send what Streamlit and uvicorn log the way of all else; Streamlit sets up its own."""
    for name in ("streamlit", "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.propagate = True


@contextmanager
def _patient_signals() -> Iterator[_Stop]:
    """Keep the process from ending at a signal before everything is closed.

    uvicorn ends on a signal and then raises it once more, for whoever was to handle it before:
    here it is only noted.
    """
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    kept = {one: signal.signal(one, stop.note) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for one, handler in kept.items():
            signal.signal(one, handler)


def _new_keys(app: Application, bound: str) -> dict[str, str]:
    """Keys that were made just now, because the server can be reached from elsewhere."""
    if is_loopback(bound):
        return {}
    return {
        name: app.settings.server_secret(name)
        for name in ("admin", "api")
        if not app.settings.has_server_secret(name)
    }


def _welcome(app: Application, url: str, keys: dict[str, str]) -> Iterator[str]:
    yield f"Jackfield {app.version} is ready: {url}"
    if keys:
        yield "It can be reached from other computers and asks for a key, shown this once:"
        titles = {"admin": "admin key (dashboard, /api)", "api": "API key (/v1)"}
        for name, key in keys.items():
            yield f"  {titles[name]}: {key}"
        yield f"They are kept in {str(app.paths.secrets)!r}."
    yield "Press Ctrl-C to stop."


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _settle() -> None:
    """Take what is there now out of the garbage collector's rounds."""
    gc.collect()
    gc.freeze()
