"""A whole Jackfield: the server in a process of its own, over a temporary data folder."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.setting import Setting, free_port
from benchmarks.streams import Client

MODEL = "model"
FOLDER = "folder"
EMBEDDER = "embedder"
PATIENCE = 120.0


class Stack(AbstractContextManager["Stack"]):
    """Starts ``jackfield serve`` and waits for its first byte.

    Attributes:
        client: asks its completions.
        seconds: from the start of the process to the first byte of the dashboard.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._folder = tempfile.TemporaryDirectory(prefix="jackfield-benchmark-")
        home = Path(self._folder.name)
        (home / "models").mkdir()
        for name, path in (
            (f"{MODEL}.gguf", setting.model),
            (FOLDER, setting.folder),
            (EMBEDDER, setting.embedder),
        ):
            if path.exists():  # not every run uses all three
                (home / "models" / name).symlink_to(path)
        self._port = free_port()
        self._home = home
        self.client = Client(f"http://127.0.0.1:{self._port}", MODEL)
        command = [sys.executable, "-m", "jackfield", "serve", "--no-browser"]
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            [*command, "--port", str(self._port)],
            env=os.environ | {"JACKFIELD_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait(begun)
        self.seconds = time.perf_counter() - begun

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(30)
        self._folder.cleanup()

    def load(
        self, model: str = MODEL, loader: str = "gguf", options: Mapping[str, Any] | None = None
    ) -> Client:
        """Load a model, by default with the numbers that other engines get, and ask it."""
        body = {"loader": loader, "options": self._setting.options if options is None else options}
        self._post(f"/api/models/{model}/load?wait=true", body)
        return Client(self.client.url, model)

    def unload(self, model: str = MODEL) -> None:
        """Unload a model."""
        self._post(f"/api/models/{model}/unload", {})

    def memory(self, *, workers: bool = True) -> int:
        """Resident bytes of the server, and of its workers."""
        server = psutil.Process(self._process.pid)
        processes = [server, *(server.children(recursive=True) if workers else ())]
        return sum(process.memory_info().rss for process in processes)

    def _wait(self, begun: float) -> None:
        while time.perf_counter() - begun < PATIENCE:
            if self._process.poll() is not None:
                raise RuntimeError("jackfield serve ended")
            try:
                self._get("/")
            except OSError:
                time.sleep(0.005)
            else:
                return
        raise RuntimeError("jackfield serve does not answer")

    def _get(self, path: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", path)
            connection.getresponse().read(1)
        finally:
            connection.close()

    def _post(self, path: str, body: dict[str, Any]) -> None:
        key = json.loads((self._home / "server.json").read_text(encoding="utf-8"))["admin_key"]
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                raise RuntimeError(f"{path}: {response.status} {text!r}")
        finally:
            connection.close()
