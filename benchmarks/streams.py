"""A client that streams completions from an OpenAI-compatible server, and times them."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

OPENINGS = (
    "In the year {} the first ship",
    "Chapter {}. The old clockmaker",
    "Recipe number {}: take a large",
    "Dear diary, on day {} we",
    "Lesson {}: the water cycle",
    "Witness {} said that the dog",
    "Room {} of the museum shows",
    "Letter {} from the island:",
)


@dataclass
class Stream:
    """One reply as it came: seconds from the request, and its text."""

    first: float = 0.0
    seconds: float = 0.0
    tokens: int = 0
    text: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Burst:
    """Several replies at once: tokens per second together, seconds to the first token of each."""

    rate: float
    firsts: tuple[float, ...]


@dataclass(frozen=True)
class Client:
    """A server to ask.

    Attributes:
        url: up to and without ``/v1``.
        model: the model's name there.
        key: API key, "" for none.
    """

    url: str
    model: str
    key: str = ""

    def complete(self, prompt: str, tokens: int) -> Stream:
        """A greedy reply of so many tokens, streamed; the openings make the model go on long."""
        body = {
            "model": self.model,
            "prompt": prompt,
            "max_tokens": tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)
        stream = Stream()
        begun = time.perf_counter()
        try:
            connection.request("POST", "/v1/completions", json.dumps(body), headers)
            response = connection.getresponse()
            if response.status != 200:
                raise RuntimeError(f"{self.url}: {response.status} {response.read()!r}")
            for line in response:
                self._take(line, stream, begun)
        finally:
            connection.close()
        stream.seconds = time.perf_counter() - begun
        if not stream.tokens:  # a server that sends no usage
            stream.tokens = len(stream.text)
        return stream

    def at_once(self, number: int, clients: int, tokens: int) -> Burst:
        """Several clients together; ``number`` makes the prompts new."""
        streams: list[Stream] = []
        errors: list[Exception] = []

        def ask(opening: str) -> None:
            try:
                streams.append(self.complete(opening.format(number), tokens))
            except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
                errors.append(error)

        threads = [
            threading.Thread(target=ask, args=(OPENINGS[index % len(OPENINGS)],))
            for index in range(clients)
        ]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        seconds = time.perf_counter() - begun
        tokens = sum(stream.tokens for stream in streams)
        return Burst(tokens / seconds, tuple(stream.first for stream in streams))

    def _take(self, line: bytes, stream: Stream, begun: float) -> None:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            return
        chunk = json.loads(line[6:])
        if usage := chunk.get("usage"):
            stream.tokens = usage["completion_tokens"]
        for choice in chunk.get("choices", ()):
            if choice.get("text"):
                stream.first = stream.first or time.perf_counter() - begun
                stream.text.append(choice["text"])
