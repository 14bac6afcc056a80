"""Jackfield as its user has it: a data folder, the commands typed on it, and its server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil

from jackfield.paths import Paths
from pip_environment import PipEnvironment

PATIENCE = 90  # seconds that anything may take before a test gives up
FAKE_PLUGIN = """\
from jackfield import Plugin, hookimpl
from jackfield.testing import FakeLoader


class Fake(Plugin):
    \"\"\"Opens models that do as they are told.\"\"\"

    @hookimpl
    def jackfield_loaders(self):
        return [FakeLoader]
"""


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> float:
    """Wait for a condition; returns how long that took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it never came to be"
        time.sleep(0.01)
    return time.monotonic() - started


def workers(pid: int) -> list[psutil.Process]:
    """Workers of a server or command that runs."""
    found = []
    for one in psutil.Process(pid).children(recursive=True):
        try:
            if "jackfield.worker" in one.cmdline():
                found.append(one)
        except psutil.Error:  # it ended meanwhile
            continue
    return found


class Installation:
    """A data folder, and what is typed on it.

    Args:
        home: the data folder.
        site: a further folder with installed packages.
        pip_environment: where it is installed, if not where the tests run.
    """

    def __init__(
        self, home: Path, site: Path | None = None, pip_environment: PipEnvironment | None = None
    ) -> None:
        self.paths = Paths(home)
        self.paths.make()
        self._site = site
        self._pip_environment = pip_environment

    @property
    def environment(self) -> dict[str, str]:
        path = {"PYTHONPATH": str(self._site)} if self._site else {}
        own = self._pip_environment.variables if self._pip_environment else os.environ
        return {**own, "JACKFIELD_HOME": str(self.paths.home), "COLUMNS": "200", **path}

    def command(self, *words: str) -> list[str]:
        own = self._pip_environment
        return [str(own.python) if own else sys.executable, "-m", "jackfield", *words]

    def popen(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """Begin a command; both streams are pipes unless told otherwise."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(self.command(*words), text=True, env=self.environment, **streams)

    def run(self, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Type a command and wait for its end."""
        return subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=PATIENCE,
            check=False,
            **more,
        )

    def add_fake_loader(self) -> None:
        """Put a loose plugin that opens fake models into the plugins folder."""
        (self.paths.plugins / "fake.py").write_text(FAKE_PLUGIN)

    def add_model(self, file: Path, name: str, **options: Any) -> None:
        """Put a real model into the models folder, without a copy, and set its load options."""
        folder = self.paths.models / name
        folder.mkdir()
        (folder / file.name).symlink_to(file)
        (folder / "jackfield.json").write_text(f'{{"name": "{name}"}}')
        lines = [f"{key} = {value}" for key, value in options.items()]
        with self.paths.settings.open("a") as settings:
            settings.write("\n".join([f"[models.{name}.options]", *lines, ""]))

    def disable(self, *plugins: str) -> None:
        """Switch plugins off by writing it into the settings."""
        with self.paths.settings.open("a") as settings:
            settings.writelines(f"[plugins.{name}]\nenabled = false\n" for name in plugins)

    @contextmanager
    def serving(self, *words: str) -> Iterator["RunningServer"]:
        """``jackfield serve`` on a free port until the end of the block."""
        server = RunningServer(self, words)
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()


class RunningServer:
    """``jackfield serve`` in a process of its own; what it says goes to files."""

    def __init__(self, installation: Installation, words: tuple[str, ...] = ()) -> None:
        self.paths = installation.paths
        self._out, self._err = (self.paths.home / f"serve.{one}" for one in ("out", "err"))
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = installation.popen(
                *("serve", "--no-browser", "--port", "0", *words), stdout=out, stderr=err
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        return self._out.read_text()

    @property
    def errors(self) -> str:
        return self._err.read_text()

    def wait_until_ready(self) -> None:
        until(lambda: "Press Ctrl-C" in self.said or self._process.poll() is not None)
        assert self._process.poll() is None, self.errors
        self.url = self.said.split(" is ready: ")[1].split()[0]
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)
        self.openai = openai.OpenAI(
            base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE
        )

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """End it with no chance to clean up."""
        self._process.kill()
        self.wait()

    def stop(self) -> None:
        if hasattr(self, "http"):
            self.http.close()
            self.openai.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def chat(self, model: str, text: str, **more: Any) -> Any:
        """A chat of one message, with fields of Jackfield's own in ``extra_body``."""
        messages = [{"role": "user", "content": text}]
        return self.openai.chat.completions.create(model=model, messages=messages, **more)

    def answer(self, model: str, text: str, **more: Any) -> str:
        """What a chat of one message is answered."""
        return str(self.chat(model, text, **more).choices[0].message.content)

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def plugin(self, name: str) -> dict[str, Any]:
        return dict(self.get(f"/api/plugins/{name}"))

    def resident(self, model: str) -> dict[str, Any]:
        """A model in memory, or nothing."""
        found = [one for one in self.get("/api/residents") if one["model"] == model]
        return dict(found[0]) if found else {}
