"""Speaking to the server that runs on this data folder."""

from __future__ import annotations

import json
from typing import Any

from jackfield.errors import JackfieldError
from jackfield.paths import Paths


class RunningServer:
    """The one server of a data folder.

    Raises:
        JackfieldError: none is running.
    """

    def __init__(self, paths: Paths) -> None:
        try:
            note = json.loads(paths.server.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise JackfieldError(
                "No server is running on this data folder.",
                hint="Start one: jackfield serve. ('jackfield run' loads a model by itself.)",
            ) from error
        self._url = note["url"]
        self._key = note["admin_key"]

    def post(self, path: str, body: Any = None, *, timeout: float | None = None) -> Any:
        """Send something and return the answer.

        Raises:
            JackfieldError: the server cannot be reached, or it refused.
        """
        import httpx

        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            with httpx.Client(base_url=self._url, trust_env=False, timeout=timeout) as client:
                answer = client.post(path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise JackfieldError(
                f"The server at {self._url} does not answer: {error}.",
                hint="If it was killed, start it again: jackfield serve",
            ) from error
        if answer.is_success:
            return answer.json()
        try:
            message = answer.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            message = f"The server answered {answer.status_code}."
        raise JackfieldError(message)
