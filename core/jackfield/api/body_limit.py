"""A limit on the size of a request's body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jackfield.api.errors import error_answer, error_body

LARGEST = 8 * 1024 * 1024
PATIENCE = 8
"""How many times the limit is read and thrown away, so that the client gets to see the answer."""


class BodyLimit:
    """Reads the body before anything else, and answers 413 to one over ``largest`` bytes."""

    def __init__(self, app: ASGIApp, largest: int = LARGEST) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its body in one piece."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        chunks: list[bytes] = []
        size = 0
        while size < self._largest * PATIENCE:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= self._largest:
                chunks.append(chunk)
            if not message.get("more_body", False):
                break
        if size > self._largest:
            message_ = f"The body is over the limit of {self._largest} bytes."
            body = error_body(
                message_,
                status=413,
                code="body_too_large",
                hint="Send less at once.",
                details={"limit": self._largest},
            )
            await error_answer(body, 413)(scope, receive, send)
            return
        await self._app(scope, _replayed(b"".join(chunks), receive), send)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes: a disconnect."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
