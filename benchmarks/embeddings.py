"""Embeddings through the API, against Sentence Transformers called in its own process."""

from __future__ import annotations

import http.client
import json
import threading
import time
from urllib.parse import urlsplit

from benchmarks.peers import missing
from benchmarks.raw_process import RawProcess
from benchmarks.result import Result, ratio, spread
from benchmarks.setting import PARALLEL, Setting
from benchmarks.stack import EMBEDDER, Stack
from benchmarks.streams import OPENINGS, Client

BATCH = 32
TEXTS = 128
PART = 30.0
"""Seconds after which no further round begins."""


def run(setting: Setting) -> list[Result]:
    """Texts per second: in large requests, and in single texts of many clients."""
    if lacking := missing(("sentence_transformers",)):
        print(f"  left out: {', '.join(lacking)} not installed")
        return []
    given = (str(setting.embedder), setting.device, str(setting.threads))
    large: tuple[list[float], list[float]] = ([], [])
    single: tuple[list[float], list[float]] = ([], [])
    with RawProcess("benchmarks.raw_encode", setting, *given) as bare, Stack(setting) as stack:
        options = {"device": setting.device, "parallel": PARALLEL, "n_threads": setting.threads}
        client = stack.load(EMBEDDER, "sentence_transformers", options)
        for number in setting.paced(2 * PART):
            texts = _texts(number)
            batches = [texts[at : at + BATCH] for at in range(0, TEXTS, BATCH)]
            alone = [[text] for text in texts]
            asked = [
                (large[0], lambda batches=batches: _rate(client, batches, 1)),
                (large[1], lambda batches=batches: bare.ask(batches=batches)["rate"]),
                (single[0], lambda alone=alone: _rate(client, alone, PARALLEL)),
                (single[1], lambda alone=alone: bare.ask(batches=alone)["rate"]),
            ]
            for figures, ask in asked if number % 2 else reversed(asked):
                figures.append(ask())
    return [
        Result(
            f"Texts embedded per second, {how}",
            ratio(ours, theirs),
            "",
            None,
            "at least",
            f"{spread(ours, 'texts/s')} over {spread(theirs, 'texts/s')}",
        )
        for how, (ours, theirs) in (
            (f"one client with {BATCH} a request, over bare `encode` of the same", large),
            (f"{PARALLEL} clients with one a request, over bare `encode` one by one", single),
        )
    ]


def _texts(number: int) -> list[str]:
    """Texts of different lengths that nobody has seen before."""
    return [
        " ".join(OPENINGS[(at + more) % len(OPENINGS)] for more in range(1 + at % 4)).format(
            *[number * TEXTS + at] * 4
        )
        for at in range(TEXTS)
    ]


def _rate(client: Client, requests: list[list[str]], clients: int) -> float:
    """Texts per second when so many clients share these requests."""
    errors: list[Exception] = []

    def work(mine: list[list[str]]) -> None:
        try:
            _embed(client, mine)
        except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=(requests[index::clients],)) for index in range(clients)
    ]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(map(len, requests)) / (time.perf_counter() - begun)


def _embed(client: Client, requests: list[list[str]]) -> None:
    parts = urlsplit(client.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)
    headers = {"Content-Type": "application/json"}
    try:
        for texts in requests:
            body = {"model": client.model, "input": texts, "encoding_format": "base64"}
            connection.request("POST", "/v1/embeddings", json.dumps(body), headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                raise RuntimeError(f"/v1/embeddings: {response.status} {answer!r}")
            if len(json.loads(answer)["data"]) != len(texts):
                raise RuntimeError("not a vector for each text")
    finally:
        connection.close()
