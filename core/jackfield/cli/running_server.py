"""Speaking to the server that runs on this data folder."""

from __future__ import annotations

import json
from typing import Any

from jackfield.errors import InvalidRequest, JackfieldError
from jackfield.paths import Paths


class RunningServer:
    """The one server of a data folder.

    Raises:
        JackfieldError: none is running.
    """

    def __init__(self, paths: Paths) -> None:
        try:
            note = json.loads(paths.server.read_text(encoding="utf-8"))
            self._url, self._key = str(note["url"]), str(note["admin_key"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JackfieldError(
                f"No server is running on the data folder {str(paths.home)!r}.",
                hint="Start one: jackfield serve. ('jackfield run' loads a model by itself.)",
            ) from error

    def post(self, path: str, body: Any = None, *, timeout: float | None = None) -> Any:
        """Send something and return the answer, however long it takes if no time is given.

        Raises:
            JackfieldError: the server cannot be reached, or it refused.
        """
        return self._ask("POST", path, body, timeout)

    def put(self, path: str, body: Any) -> Any:
        """Put something in place of what is there, however long it takes.

        Raises:
            JackfieldError: the server cannot be reached, or it refused.
        """
        return self._ask("PUT", path, body, None)

    def get(self, path: str) -> Any:
        """Ask for something that is there at once.

        Raises:
            JackfieldError: the server cannot be reached, or it refused.
        """
        return self._ask("GET", path, None, 5.0)

    def _ask(self, method: str, path: str, body: Any, timeout: float | None) -> Any:
        import httpx

        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            with httpx.Client(base_url=self._url, trust_env=False, timeout=timeout) as client:
                answer = client.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise JackfieldError(
                f"The server at {self._url} does not answer: {error}.",
                hint="If it was killed, start it again: jackfield serve",
            ) from error
        if answer.is_success:
            return answer.json()
        try:
            told = answer.json()["error"]
            hint = str(told.get("hint", ""))
            message = str(told["message"]).removesuffix(hint).strip()
        except (ValueError, KeyError, TypeError, AttributeError):
            hint, message = "", f"The server answered {answer.status_code}."
        raise (InvalidRequest if answer.status_code == 400 else JackfieldError)(message, hint=hint)


def loaded_models(paths: Paths) -> set[str]:
    """Names of the models in the memory of the running server; none when no server runs."""
    if not paths.server.exists():
        return set()
    try:
        residents = RunningServer(paths).get("/api/residents")
    except JackfieldError:
        return set()
    return {str(one["model"]) for one in residents if one["state"] != "failed"}
