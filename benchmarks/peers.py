"""Other servers to compare with, each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from benchmarks.last_words import last_words
from benchmarks.setting import N_CTX, Setting, free_port
from benchmarks.stack import PATIENCE
from benchmarks.streams import Client


def missing(names: Sequence[str]) -> list[str]:
    """Which of these modules are not installed."""
    return [name for name in names if importlib.util.find_spec(name) is None]


class Peer(AbstractContextManager["Peer"]):
    """A server by its command line; ready when it completes.

    Attributes:
        client: asks its completions.
    """

    def __init__(
        self, command: Sequence[str], client: Client, environment: Mapping[str, str] | None = None
    ) -> None:
        self.client = client
        self._name = " ".join(command[1:4])
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            command,
            env=dict(environment or os.environ),
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(30)
        self._errors.close()

    def _wait(self) -> None:
        begun = time.perf_counter()
        while time.perf_counter() - begun < PATIENCE:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._name} ended: {last_words(self._errors)}")
            try:
                self.client.complete("warm up", 4)
            except (OSError, RuntimeError):
                time.sleep(0.2)
            else:
                return
        raise RuntimeError(f"{self._name} does not answer: {last_words(self._errors)}")


LLAMA_CPP_SERVER = ("llama_cpp", "pydantic_settings", "sse_starlette", "starlette_context")
"""What llama-cpp-python's server imports."""


def llama_cpp_server(setting: Setting, port: int = 0) -> Peer:
    """``python -m llama_cpp.server``, told not to drop a running request for the next one."""
    port = port or free_port()
    arguments = {
        "model": setting.model,
        "model_alias": "peer",
        "n_ctx": N_CTX,
        "n_threads": setting.threads,
        "n_threads_batch": setting.threads,
        "n_gpu_layers": setting.layers,
        "interrupt_requests": "false",
        "port": port,
    }
    command = [sys.executable, "-m", "llama_cpp.server"]
    for name, value in arguments.items():
        command += [f"--{name}", str(value)]
    return Peer(command, Client(f"http://127.0.0.1:{port}", "peer"))


def transformers_serve(setting: Setting, port: int = 0, *, continuous: bool) -> Peer:
    """``transformers serve``, with or without its continuous batching."""
    port = port or free_port()
    batching = "--continuous-batching" if continuous else "--no-continuous-batching"
    command = [
        *(sys.executable, "-m", "transformers.cli.transformers", "serve", str(setting.folder)),
        *(batching, "--device", setting.device, "--dtype", setting.dtype),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "error"),
    ]
    client = Client(f"http://127.0.0.1:{port}", str(setting.folder))
    return Peer(command, client, setting.environment)
