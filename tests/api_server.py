"""Servers for tests: the API in a thread, or everything in a process of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import uvicorn

from jackfield.application import Application
from jackfield.listening import listen
from jackfield.paths import Paths
from jackfield.plugin import Plugin
from jackfield.security.gate import Gate
from jackfield.server import build_api
from jackfield.testing import FakePlugin, fake_model

PATIENCE = 120  # seconds that anything may take before a test gives up


class Server:
    """The API of an application, served from a thread on a free port."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> "Server":
        self._socket = listen("127.0.0.1", 0)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)
        self.openai = openai.OpenAI(
            base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.openai.close()
        self._uvicorn.should_exit = True
        self._thread.join(PATIENCE)
        self._socket.close()
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        gated = Gate(build_api(self.app), settings=self.app.settings, bound="127.0.0.1")
        options = uvicorn.Config(
            gated, log_config=None, lifespan="off", timeout_graceful_shutdown=1, ws="none"
        )
        self._uvicorn = uvicorn.Server(options)
        async with self.app.running():
            self._ready.set()
            await self._uvicorn.serve(sockets=[self._socket])

    def chat(self, text: str, model: str = "parrot", **more: Any) -> Any:
        """A chat of one message, with fields of Jackfield's own in ``extra_body``."""
        messages = [{"role": "user", "content": text}]
        return self.openai.chat.completions.create(model=model, messages=messages, **more)

    def resident(self, model: str = "parrot") -> Any:
        found = self.app.engine.resident(model)
        assert found is not None
        return found


@contextmanager
def fake_server(
    folder: Path, *plugins: type[Plugin], models: dict[str, dict[str, Any]] | None = None
) -> Iterator[Server]:
    """A server with fake models; plugins are registered under their class's lower-case name."""
    app = Application(Paths(folder), entry_points=[])
    app.paths.make()
    for name, behaviour in (models or {"parrot": {}}).items():
        fake_model(app.paths.models, name, **behaviour)
    app.plugins.register("fake", FakePlugin)
    for plugin in plugins:
        app.plugins.register(plugin.__name__.lower(), plugin)
    with Server(app) as server:
        yield server


class Process:
    """``serve`` in a process of its own, dashboard included."""

    def __init__(self, home: Path, *, host: str = "127.0.0.1", port: int = 0) -> None:
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            "from jackfield.application import Application\n"
            "from jackfield.errors import JackfieldError\n"
            "from jackfield.paths import Paths\n"
            "from jackfield.server import serve\n"
            "from jackfield.testing import FakePlugin\n"
            "home, host, port = sys.argv[1:]\n"
            "app = Application.create(Paths(Path(home)), entry_points=[])\n"
            "app.plugins.register('fake', FakePlugin)\n"
            "try:\n"
            "    serve(app, host=host, port=int(port), open_browser=False)\n"
            "except JackfieldError as error:\n"
            "    sys.exit(f'{type(error).__name__}: {error}')\n"
        )
        self.paths = Paths(home)
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(home), host, str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "JACKFIELD_HOME": str(home)},
        )
        self.said: list[str] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> str:
        """Its address, once it says so."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("Press Ctrl-C"):
                self.url = str(json.loads(self.paths.server.read_text())["url"])
                return self.url
        raise AssertionError(self.finish()[1])

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        self._process.send_signal(number)
        return self.finish()[0]

    def finish(self) -> tuple[int, str]:
        """Its exit code and what it wrote to standard error."""
        _, errors = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, errors

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate(timeout=PATIENCE)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
