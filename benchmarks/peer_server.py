"""Eight clients at once, against llama-cpp-python's own server."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from contextlib import AbstractContextManager

from benchmarks.result import Result, ratio, spread
from benchmarks.setting import N_CTX, PARALLEL, Setting, free_port
from benchmarks.stack import PATIENCE, Stack
from benchmarks.streams import Client

NEEDED = ("llama_cpp", "pydantic_settings", "sse_starlette", "starlette_context")


def missing() -> list[str]:
    """What is not installed for it."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


class PeerServer(AbstractContextManager["PeerServer"]):
    """``python -m llama_cpp.server``, told not to drop a running request for the next one."""

    def __init__(self, setting: Setting) -> None:
        port = free_port()
        arguments = {
            "model": setting.model,
            "model_alias": "peer",
            "n_ctx": N_CTX,
            "n_threads": setting.threads,
            "n_threads_batch": setting.threads,
            "interrupt_requests": "false",
            "port": port,
        }
        command = [sys.executable, "-m", "llama_cpp.server"]
        for name, value in arguments.items():
            command += [f"--{name}", str(value)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.client = Client(f"http://127.0.0.1:{port}", "peer")
        self._wait()

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(30)

    def _wait(self) -> None:
        begun = time.perf_counter()
        while time.perf_counter() - begun < PATIENCE:
            if self._process.poll() is not None:
                raise RuntimeError("llama-cpp-python's server ended")
            try:
                self.client.complete("warm up", 4)
            except (OSError, RuntimeError):
                time.sleep(0.2)
            else:
                return
        raise RuntimeError("llama-cpp-python's server does not answer")


def run(setting: Setting) -> list[Result]:
    """Tokens per second of all clients together."""
    if lacking := missing():
        print(
            f"  left out: {', '.join(lacking)} not installed; pip install "
            "'llama-cpp-python[server]'"
        )
        return []
    ours: list[float] = []
    theirs: list[float] = []
    with PeerServer(setting) as peer, Stack(setting) as stack:
        stack.load()
        pair = [(ours, stack.client), (theirs, peer.client)]
        for _, client in pair:
            client.at_once(1000, PARALLEL, 8)
        for number in range(setting.rounds):
            for figures, client in pair if number % 2 else reversed(pair):
                figures.append(client.at_once(number, PARALLEL, setting.tokens))
    return [
        Result(
            "The same, 8 clients at once, over llama-cpp-python's own server",
            ratio(ours, theirs),
            "",
            1.5,
            "at least",
            f"{spread(ours, 'tokens/s')} over {spread(theirs, 'tokens/s')}",
        )
    ]
