"""A model of another server, as Jackfield's pipeline sees it. Runs in a worker."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import msgspec

from jackfield import (
    Alternative,
    Embeddings,
    InvalidRequest,
    JackfieldError,
    LoadedModel,
    LoaderError,
    LoadFailed,
    ModelFiles,
    ModelInfo,
    Prompt,
    Ranking,
    SamplingParams,
    Token,
)
from jackfield_loaders.remote.chat import CallCollector, as_sent
from jackfield_loaders.remote.options import RemoteOptions
from jackfield_loaders.remote.speaking import Server
from jackfield_loaders.text import TextStream

OPENAI = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "stop": "stop",
    "top_p": "top_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "logit_bias": "logit_bias",
    "logprobs": "logprobs",
}
EXTENDED = {"top_k": "top_k", "min_p": "min_p", "ignore_eos": "ignore_eos"}
OWNERS = {
    "jackfield": {"repeat_penalty": "repeat_penalty", "typical_p": "typical_p"},
    "llamacpp": {"repeat_penalty": "repeat_penalty", "typical_p": "typical_p"},
    "vllm": {"repeat_penalty": "repetition_penalty"},
}
"""Further fields, by who a server says owns its models."""
PATIENCE = 2.0
"""Seconds that closing waits for a read to end."""

BYTES_PER_TOKEN = 3
"""For counting without the tokenizer: fewer than in most texts, to be on the safe side."""


class RemoteModel(LoadedModel):
    """Speaks to the server for each request.

    The server renders the prompt: its template is not known here.
    """

    def __init__(self, files: ModelFiles, options: RemoteOptions) -> None:
        self._name = str(files.metadata["model"])
        self._server = Server(
            options.address,
            options.api_key.get_secret_value(),
            first=options.first_token_seconds,
            between=options.next_token_seconds,
        )
        try:
            described = self._described(options.address)
        except BaseException:
            self._server.close()
            raise
        self._fields = _fields(options.fields, str(described.get("owned_by", "")).lower())
        chat = options.purpose == "chat"
        can = {"completion", "chat", *(("vision",) if options.vision else ())}
        self.info = ModelInfo(
            architecture="remote",
            context_length=options.n_ctx or 8192,
            capabilities=frozenset(can if chat else {options.purpose}),
            sampling_fields=frozenset(self._fields) if chat else frozenset(),
            parallel=options.parallel,
            renders=True,
        )

    def _described(self, address: str) -> dict[str, Any]:
        """What the server says about the model.

        Raises:
            LoadFailed: it has it no longer.
        """
        have = {str(one.get("id")): one for one in self._server.models()}
        if self._name not in have:
            raise LoadFailed(
                f"The server {address!r} no longer has the model {self._name!r}.",
                hint=f"It has: {', '.join(sorted(have)[:20]) or 'none'}.",
            )
        return have[self._name]

    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        """Ask the server, and pass on what it writes."""
        body = self._body(params)
        if prompt.messages:
            body["messages"] = as_sent(prompt.messages)
            if prompt.tools:
                body |= {"tools": list(prompt.tools), "tool_choice": _choice(prompt.tool_choice)}
            if params.logprobs is not None:
                body |= {"logprobs": True, "top_logprobs": params.logprobs}
            return RemoteReply(self._server, "/chat/completions", body, params.stop)
        if prompt.media:
            raise InvalidRequest("Images and recordings need a chat.", param="messages")
        body["prompt"] = prompt.text
        if params.logprobs is not None:
            body["logprobs"] = params.logprobs
        return RemoteReply(self._server, "/completions", body, params.stop)

    def embed(self, texts: Sequence[str], *, dimensions: int = 0) -> Embeddings:
        """The server's vectors."""
        body: dict[str, Any] = {"model": self._name, "input": list(texts)}
        if dimensions:
            body["dimensions"] = dimensions
        answer = self._server.post("/embeddings", {**body, "encoding_format": "float"})
        try:
            rows = sorted(answer["data"], key=lambda one: one["index"])
            tokens = int((answer.get("usage") or {}).get("prompt_tokens") or 0)
            return Embeddings.of([one["embedding"] for one in rows], tokens)
        except (KeyError, TypeError, ValueError) as error:
            raise LoaderError(f"The server's embeddings cannot be read: {error!r}.") from error

    def rerank(self, query: str, documents: Sequence[str]) -> Ranking:
        """The server's scores."""
        body = {"model": self._name, "query": query, "documents": list(documents)}
        answer = self._server.post("/rerank", body)
        try:
            scores = {int(one["index"]): float(one["relevance_score"]) for one in answer["results"]}
            return Ranking(tuple(scores[place] for place in range(len(documents))))
        except (KeyError, TypeError, ValueError) as error:
            raise LoaderError(f"The server's ranking cannot be read: {error!r}.") from error

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Refused: the tokenizer is with the server."""
        raise InvalidRequest("The tokenizer of a remote model is not here.")

    def count(self, text: str) -> int:
        """A guess on the safe side."""
        return -(-len(text.encode()) // BYTES_PER_TOKEN)

    def close(self) -> None:
        """End the connections."""
        self._server.close()

    def _body(self, params: SamplingParams) -> dict[str, Any]:
        given = params.model_dump(mode="json", include=params.model_fields_set & set(self._fields))
        given.pop("logprobs", None)
        body = {
            self._fields[name]: value
            for name, value in given.items()
            if value not in (None, [], {})
        }
        return {
            **body,
            "model": self._name,
            "stream": True,
            "stream_options": {"include_usage": True},
        }


class RemoteReply(Iterator[Token]):
    """A reply as the server sends it; :meth:`close` may be called from any thread.

    Stop strings are watched for here as well: some servers write them out, some do not know them.
    """

    def __init__(
        self, server: Server, path: str, body: dict[str, Any], stops: Sequence[str] = ()
    ) -> None:
        self._server = server.alone()
        self._connection: socket.socket | None = None
        self._path, self._body = path, body
        self._response: httpx.Response | None = None
        self._lines: Iterator[str] | None = None
        self._closed = self._over = False
        self._reading = threading.RLock()
        self._finish, self._pieces = "stop", 0
        self._usage: dict[str, Any] = {}
        self._calls = CallCollector()
        self._text = TextStream(stops)

    def __next__(self) -> Token:
        while not (self._closed or self._over):
            with self._reading:
                chunk = self._chunk()
            if chunk is None:
                return self._last()
            self._usage = chunk.get("usage") or self._usage
            for choice in chunk.get("choices") or ():
                self._finish = choice.get("finish_reason") or self._finish
                self._calls.take(choice)
                token = _token(choice)
                if token is None:
                    continue
                if self._text.stopped:  # this server does not stop by itself
                    return self._last()
                self._pieces += 1
                return msgspec.structs.replace(token, text=self._text.add(token.text))
        raise StopIteration

    def close(self) -> None:
        """Hang up, so that the server stops."""
        self._closed = True
        if self._connection is not None:
            # A read that waits in another thread ends at once only by this.
            with contextlib.suppress(OSError):  # it is closed already
                self._connection.shutdown(socket.SHUT_RDWR)
        if self._reading.acquire(timeout=PATIENCE):
            self._server.close()
            self._reading.release()

    def _connected(self, connection: socket.socket) -> None:
        self._connection = connection
        if self._closed:
            self.close()

    def _chunk(self) -> dict[str, Any] | None:
        """The next event of the stream; None at its end."""
        try:
            if self._lines is None:
                self._response = self._server.stream(self._path, self._body, self._connected)
                self._lines = self._response.iter_lines()
            for line in self._lines:
                if line.startswith("data:"):
                    data = line.removeprefix("data:").strip()
                    return None if data == "[DONE]" else _event(data)
        except (httpx.HTTPError, OSError, JackfieldError) as error:
            if self._closed:
                return None
            self._server.close()
            if isinstance(error, JackfieldError):
                raise
            raise self._server.lost(error) from error
        empty = not (self._usage or self._pieces or self._calls.calls)
        if not self._closed and empty and self._finish == "stop":
            raise LoaderError(f"The server {self._server.address!r} ended without an answer.")
        return None

    def _last(self) -> Token:
        self._over = True
        self._server.close()
        if self._closed:
            raise StopIteration
        cut = self._finish == "length" and not self._text.stopped
        return Token(
            self._text.flush(),
            finish="length" if cut else "stop",
            prompt_tokens=int(self._usage.get("prompt_tokens") or 0),
            cached_tokens=int(
                (self._usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            ),
            completion_tokens=int(self._usage.get("completion_tokens") or self._pieces),
            tool_calls=self._calls.calls,
        )


def _choice(wanted: str) -> str | dict[str, Any]:
    """Whether a tool must be called, or which."""
    if wanted in ("auto", "required"):
        return wanted
    return {"type": "function", "function": {"name": wanted}}


def _fields(wanted: str, owner: str) -> dict[str, str]:
    """Our sampling fields to the server's."""
    known = next((name for name in OWNERS if name in owner), "")
    if wanted == "openai" or (wanted == "auto" and not known):
        return dict(OPENAI)
    return {**OPENAI, **EXTENDED, **OWNERS.get(known, {})}


def _event(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except ValueError as error:
        raise LoaderError(f"The server sent something that is not JSON: {data[:80]!r}.") from error
    if not isinstance(chunk, dict):
        raise LoaderError(f"The server sent something unexpected: {data[:80]!r}.")
    if failed := chunk.get("error"):
        words = failed.get("message") if isinstance(failed, dict) else failed
        raise LoaderError(f"The server failed while it was answering: {words}")
    return chunk


def _token(choice: dict[str, Any]) -> Token | None:
    """A piece of text of a chat or a completion, with its probabilities; None if it is empty."""
    delta = choice.get("delta") or {}
    text = str(delta.get("content") or choice.get("text") or "")
    logprobs = choice.get("logprobs") or {}
    content = logprobs.get("content") or ()
    if not text and not content:
        return None
    logprob: float | None = None
    top: tuple[Alternative, ...] = ()
    if content:
        logprob = float(content[0]["logprob"])
        found = content[0].get("top_logprobs") or ()
        top = _alternatives([(str(one["token"]), float(one["logprob"])) for one in found])
    elif logprobs.get("token_logprobs"):
        logprob = float(logprobs["token_logprobs"][0] or 0.0)
        best = (logprobs.get("top_logprobs") or [None])[0] or {}
        top = _alternatives(sorted(best.items(), key=lambda one: -one[1]))
    return Token(text, None, logprob, top)


def _alternatives(found: Sequence[tuple[str, float]]) -> tuple[Alternative, ...]:
    """Alternatives; servers do not tell the ids, so negative numbers stand in their place."""
    return tuple(
        Alternative(text, -place, min(value, 0.0))
        for place, (text, value) in enumerate(found, start=1)
    )
