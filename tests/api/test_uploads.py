"""Forms with files: passed on as they come, and limited all the same."""

from typing import Any

import anyio

from jackfield.api.body_limit import BodyLimit

FORM = (b"content-type", b"multipart/form-data; boundary=x")


def answered(size: int, *headers: tuple[bytes, bytes]) -> tuple[int, list[int]]:
    """The status for a body in pieces of 100 bytes, and the pieces that the application got."""
    got: list[int] = []
    pieces = [b"x" * 100] * (size // 100)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            got.append(len(message["body"]))
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> int:
        status = 0

        async def receive() -> dict[str, Any]:
            body = pieces.pop()
            return {"type": "http.request", "body": body, "more_body": bool(pieces)}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)

        scope = {"type": "http", "method": "POST", "headers": list(headers)}
        limited: Any = BodyLimit(application, largest=1000, largest_upload=5000)
        await limited(scope, receive, send)
        return status

    return anyio.run(run), got


def test_an_upload_is_passed_on_in_pieces() -> None:
    assert answered(4000, FORM, (b"content-length", b"4000")) == (200, [100] * 40)


def test_an_upload_over_its_limit_is_refused() -> None:
    assert answered(6000, FORM, (b"content-length", b"6000")) == (413, [])


def test_a_form_that_does_not_say_how_long_it_is_has_the_small_limit() -> None:
    assert answered(4000, FORM) == (413, [])
    assert answered(900, FORM) == (200, [900])
    assert answered(1100, (b"content-length", b"1100")) == (413, [])
