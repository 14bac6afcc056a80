"""HTTP with a server that speaks OpenAI's API, and its errors in our words."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from typing import Any

import httpx

from jackfield import InvalidRequest, JackfieldError, LoaderError, PromptTooLong

CONNECT = 5.0
"""Seconds to reach a server; tried twice more, for a connection alone is safe to repeat."""


class Server:
    """A server. Use it as a context manager, or close it.

    Args:
        address: up to and with ``/v1``.
        key: its API key, "" for none.
        first, between: seconds to wait for the beginning of an answer, and for what follows.
    """

    def __init__(
        self, address: str, key: str = "", *, first: float = 10.0, between: float = 10.0
    ) -> None:
        self.address = address
        self._key, self._first, self._between = key, first, between
        self._client = httpx.Client(
            base_url=address,
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(first, connect=CONNECT, pool=None),
            transport=httpx.HTTPTransport(retries=2),
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    def models(self) -> list[dict[str, Any]]:
        """The server's models, as it describes them."""
        found = self.get("/models").get("data")
        if not isinstance(found, list):
            raise LoaderError(f"{self.address!r} did not answer with a list of models.")
        return [one for one in found if isinstance(one, dict)]

    def get(self, path: str) -> dict[str, Any]:
        """Ask for something."""
        return self._asked(self._client.build_request("GET", self.address + path))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send something and wait for the answer."""
        return self._asked(self._client.build_request("POST", self.address + path, json=body))

    def alone(self) -> Server:
        """The same server over connections of its own, to be ended without harm to others."""
        return Server(self.address, self._key, first=self._first, between=self._between)

    def stream(
        self, path: str, body: dict[str, Any], connected: Callable[[socket.socket], None]
    ) -> httpx.Response:
        """Send something and get the answer as it comes; close it.

        Args:
            connected: told the connection as soon as there is one, before anything was answered.

        Raises:
            JackfieldError: the server refused, failed or is not there.
        """
        found: list[socket.socket] = []

        def trace(event: str, info: dict[str, Any]) -> None:
            if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
                found.append(info["return_value"].get_extra_info("socket"))
                connected(found[-1])

        request = self._client.build_request(
            "POST", self.address + path, json=body, extensions={"trace": trace}
        )
        request.extensions["timeout"] = httpx.Timeout(self._first, connect=CONNECT).as_dict()
        response = self._sent(request)
        # What has been given to the connection layer is read again before each wait.
        request.extensions["timeout"]["read"] = self._between
        return response

    def _asked(self, request: httpx.Request) -> dict[str, Any]:
        response = self._sent(request)
        try:
            response.read()
            answer = response.json()
        except httpx.HTTPError as error:
            raise self.lost(error) from error
        except ValueError as error:
            raise LoaderError(
                f"{self.address!r} answered with something that is not JSON: "
                f"{response.text[:80]!r}.",
                hint="Is the address that of an OpenAI-compatible API? It often ends in /v1.",
            ) from error
        finally:
            response.close()
        if not isinstance(answer, dict):
            raise LoaderError(f"{self.address!r} answered with something unexpected.")
        return answer

    def _sent(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise self.lost(error) from error
        if response.is_success:
            return response
        try:
            response.read()
        except httpx.HTTPError as error:
            raise self.lost(error) from error
        finally:
            response.close()
        raise self._refused(response)

    def lost(self, error: Exception) -> LoaderError:
        """The error for a server that is not there, or went away."""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return LoaderError(
                f"The server {self.address!r} cannot be reached: {error}.",
                hint="Is it running, and is the address right?",
            )
        if isinstance(error, httpx.TimeoutException):
            return LoaderError(
                f"The server {self.address!r} did not answer in time.",
                hint="It may be busy or loading a model; the load options have the time-outs.",
            )
        return LoaderError(f"The connection to {self.address!r} broke off: {error}.")

    def _refused(self, response: httpx.Response) -> JackfieldError:
        status, (said, code) = response.status_code, _said(response)
        if status in (401, 403):
            return LoaderError(
                f"The server {self.address!r} refused the key (status {status}): {said}",
                hint="Set it in the options of the plugin 'remote'.",
            )
        if status == 404:
            return InvalidRequest(
                f"The server {self.address!r} has no such thing: {said}",
                hint="Its models may have changed; look at its list.",
            )
        if status == 429:
            wait = response.headers.get("retry-after")
            hint = f"Try again in {wait} seconds." if wait else "Try again later."
            return LoaderError(f"The server {self.address!r} is at its limit: {said}", hint=hint)
        if code == "context_length_exceeded":
            sizes = [int(one.replace(",", "")) for one in re.findall(r"\b\d[\d,]*\b", said)]
            sizes = sizes if len(sizes) > 1 else [0]
            return PromptTooLong(
                f"The server {self.address!r} said: {said}", tokens=max(sizes), limit=min(sizes)
            )
        if status < 500:
            return InvalidRequest(f"The server {self.address!r} refused the request: {said}")
        return LoaderError(f"The server {self.address!r} failed (status {status}): {said}")


def _said(response: httpx.Response) -> tuple[str, str]:
    """What an error says, and its code."""
    try:
        answer = json.loads(response.text)
    except ValueError:
        return response.text[:200].strip() or response.reason_phrase, ""
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if isinstance(error, dict):
        words = error.get("message") or error.get("detail") or error
        return str(words)[:500], str(error.get("code") or "")
    return str(error)[:500], ""
