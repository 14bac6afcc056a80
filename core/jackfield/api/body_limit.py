"""A limit on the size of a request's body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jackfield.api.errors import error_answer, error_body

LARGEST = 32 * 1024 * 1024
"""Bytes of a body that is held in memory: pictures in a chat are among it."""
LARGEST_UPLOAD = 256 * 1024 * 1024
"""Bytes of a form with files, which are written to disk as they come."""
PATIENCE = 8
"""How many times the limit is read and thrown away, so that the client gets to see the answer."""


class BodyLimit:
    """Reads the body before anything else, and answers 413 to one over ``largest`` bytes.

    A form with files is passed on as it comes if it says how long it is.
    """

    def __init__(
        self, app: ASGIApp, largest: int = LARGEST, largest_upload: int = LARGEST_UPLOAD
    ) -> None:
        self._app = app
        self._largest = largest
        self._largest_upload = largest_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its body in one piece."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        length = _upload_length(scope)
        if length is not None and length <= self._largest_upload:
            await self._app(scope, receive, send)
            return
        largest = self._largest if length is None else self._largest_upload
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
        if length is not None or size > self._largest:
            message_ = f"The body is over the limit of {largest:,} bytes."
            body = error_body(
                message_,
                status=413,
                code="body_too_large",
                hint="Send less at once.",
                details={"limit": largest},
            )
            await error_answer(body, 413)(scope, receive, send)
            return
        await self._app(scope, _replayed(b"".join(chunks), receive), send)


def _upload_length(scope: Scope) -> int | None:
    """How long a form with files says it is; None for everything else."""
    headers = dict(scope["headers"])
    is_form = headers.get(b"content-type", b"").startswith(b"multipart/form-data")
    length = headers.get(b"content-length", b"")
    return int(length) if is_form and length.isdigit() else None


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
