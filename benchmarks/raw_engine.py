"""The bare engine in a process of its own: asked over its pipes, and through its own HTTP port."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.last_words import last_words
from benchmarks.setting import N_CTX, PARALLEL, Setting
from benchmarks.streams import Client, Stream

NAME = "raw"


class RawEngine(AbstractContextManager["RawEngine"]):
    """Starts the process; ``client`` asks its HTTP port, :meth:`complete` the engine itself."""

    def __init__(self, setting: Setting) -> None:
        command = [sys.executable, "-m", "benchmarks.raw_engine", str(setting.model)]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            [*command, str(setting.threads), str(setting.layers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.client = Client(self._answer()["url"], NAME)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._errors.close()

    def complete(self, prompt: str, tokens: int) -> Stream:
        """A greedy reply, timed inside the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"prompt": prompt, "tokens": tokens}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        return Stream(answer["first"], answer["seconds"], answer["tokens"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the raw engine's process ended: {last_words(self._errors)}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def main(model: Path, threads: int, layers: int) -> None:
    """Be that process: one JSON line in, one out."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {NAME}
    parameters.n_ctx = N_CTX * PARALLEL
    parameters.n_parallel = PARALLEL
    parameters.n_batch = 512
    parameters.n_gpu_layers = layers
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.cache_ram_mib = 0
    parameters.verbosity = 1
    server = xllamacpp.Server(parameters)
    print(json.dumps({"url": server.listening_address}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        stream = Stream()
        begun = time.perf_counter()

        def take(chunk: bytes, stream: Stream = stream, begun: float = begun) -> bool:
            content = json.loads(chunk)
            if usage := content.get("usage"):
                stream.tokens = usage["completion_tokens"]
            elif content["choices"][0]["text"] and not stream.first:
                stream.first = time.perf_counter() - begun
            return False

        request = {
            "prompt": asked["prompt"],
            "n_predict": asked["tokens"],
            "temperature": 0,
            "stream": True,
        }
        server.handle_completions(json.dumps(request).encode(), take)
        stream.seconds = time.perf_counter() - begun
        answer = {"first": stream.first, "seconds": stream.seconds, "tokens": stream.tokens}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
