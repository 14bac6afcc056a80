"""Asking the running server, which alone may write the collections."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jackfield import InvalidRequest, JackfieldError, NotFound

if TYPE_CHECKING:
    from jackfield.application import Application


class RemoteDesk:
    """The same as :class:`jackfield_plugins.knowledge.desk.Desk`, over HTTP."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key

    @classmethod
    def of(cls, app: Application) -> RemoteDesk | None:
        """The server of this data folder, None where none runs."""
        import httpx

        try:
            note = json.loads(app.paths.server.read_text(encoding="utf-8"))
            found = cls(str(note["url"]), str(note["admin_key"]))
            httpx.get(f"{found._url}/health", timeout=5, trust_env=False)
        except (OSError, ValueError, KeyError, TypeError, httpx.HTTPError):
            return None
        return found

    def collections(self) -> list[dict[str, Any]]:
        """All collections."""
        found: list[dict[str, Any]] = self._ask("GET", "")
        return found

    def create(
        self, name: str, model: str = "", chunk_tokens: int = 0, overlap: int | None = None
    ) -> dict[str, Any]:
        """Make a collection."""
        body = {"name": name, "model": model, "chunk_tokens": chunk_tokens, "overlap": overlap}
        return self._one("POST", "", body)

    def delete(self, name: str) -> dict[str, Any]:
        """Remove a collection."""
        return self._one("DELETE", f"/{_word(name)}")

    def documents(self, name: str) -> list[dict[str, Any]]:
        """Documents of a collection."""
        found: list[dict[str, Any]] = self._ask("GET", f"/{_word(name)}/documents")
        return found

    def add(self, name: str, **what: Any) -> dict[str, Any]:
        """Begin to add something; returns the job."""
        return self._one("POST", f"/{_word(name)}/documents", what)

    def remove(self, name: str, number: int) -> dict[str, Any]:
        """Remove a document."""
        return self._one("DELETE", f"/{_word(name)}/documents/{number}")

    def search(self, names: list[str], **asked: Any) -> dict[str, Any]:
        """The best passages."""
        return self._one("POST", "/search", {"collections": names, **asked})

    def job(self, number: str) -> dict[str, Any]:
        """How far a job is."""
        return self._one("GET", f"/jobs/{number}")

    def cancel(self, number: str) -> dict[str, Any]:
        """Stop a job."""
        return self._one("DELETE", f"/jobs/{number}")

    def set_questions(self, name: str, questions: list[dict[str, str]]) -> dict[str, Any]:
        """Put questions in place of those that are there."""
        return self._one("PUT", f"/{_word(name)}/questions", questions)

    def make_questions(self, name: str, model: str, count: int) -> dict[str, Any]:
        """Begin to have questions made; returns the job."""
        body = {"model": model, "count": count}
        return self._one("POST", f"/{_word(name)}/questions/make", body)

    def measure(self, name: str, reranker: str = "") -> dict[str, Any]:
        """Begin to measure; returns the job."""
        return self._one("POST", f"/{_word(name)}/measure", {"reranker": reranker})

    def _one(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        found: dict[str, Any] = self._ask(method, path, body)
        return found

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        import httpx

        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            with httpx.Client(base_url=self._url, trust_env=False, timeout=600) as client:
                answer = client.request(
                    method, f"/api/collections{path}", json=body, headers=headers
                )
        except httpx.HTTPError as error:
            raise JackfieldError(f"The server at {self._url} does not answer: {error}.") from error
        if answer.is_success:
            return answer.json()
        try:
            told = answer.json()["error"]
            hint = str(told.get("hint", ""))
            text = str(told["message"]).removesuffix(hint).strip()
        except (ValueError, KeyError, TypeError, AttributeError):
            hint, text = "", f"The server answered {answer.status_code}."
        kind = {400: InvalidRequest, 404: NotFound}.get(answer.status_code, JackfieldError)
        raise kind(text, hint=hint)


def _word(name: str) -> str:
    return quote(name, safe="")
