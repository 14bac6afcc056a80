"""Errors in OpenAI's shape: ``{"error": {"message", "type", "param", "code", ...}}``."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from jackfield.errors import InvalidRequest, JackfieldError
from jackfield.messages import ErrorEvent

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
}


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str = Field(description="What failed, the rule, and what to do")
    type: str = Field(description="Kind of error, by its HTTP status")
    param: str | None = Field(None, description="The field at fault")
    code: str | None = Field(None, description="A word for programs")
    hint: str = Field("", description="What to do, the last sentence of the message alone")
    details: dict[str, Any] = Field({}, description="Names and numbers of this error")


class ErrorResponse(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorBody


class TurnFailed(Exception):
    """A turn ended in an error before anything was sent; becomes an answer with its status."""

    def __init__(self, event: ErrorEvent) -> None:
        super().__init__(event.message)
        self.event = event


class ClientGone(Exception):
    """The client hung up before its answer was ready; nobody reads what is answered."""


def error_body(
    message: str,
    *,
    status: int,
    code: str | None = None,
    hint: str = "",
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of an error, plain and ready for JSON."""
    plain = {key: value for key, value in (details or {}).items() if value is not None}
    param = plain.get("param")
    body = {
        "message": f"{message} {hint}".strip(),
        "type": TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
        "param": str(param) if param is not None else None,
        "code": code,
        "hint": hint,
        "details": json.loads(json.dumps(plain, default=str)),
    }
    return {"error": body}


def event_body(event: ErrorEvent) -> dict[str, Any]:
    """The body of the error that a turn ended with."""
    return error_body(
        event.message,
        status=event.status,
        code=event.code,
        hint=event.hint,
        details=event.details,
    )


def error_answer(body: Mapping[str, Any], status: int) -> Response:
    """An answer with an error's body; a missing key is asked for as HTTP wants it."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return Response(
        json.dumps(body, ensure_ascii=False), status, headers, media_type="application/json"
    )


def invalid(param: str, message: str, hint: str = "") -> InvalidRequest:
    """An error about one field of a request."""
    return InvalidRequest(message, hint=hint, param=param)


def field_error(error: ValidationError, what: str = "") -> InvalidRequest:
    """The first thing that pydantic found wrong, naming the field and its value."""
    first = error.errors(include_url=False)[0]
    param = ".".join(str(part) for part in first["loc"]) or what
    return InvalidRequest(_words(dict(first), param), param=param)


def add_error_handlers(api: FastAPI) -> None:
    """Answer every error in the one shape."""
    api.add_exception_handler(JackfieldError, _jackfield_error)
    api.add_exception_handler(TurnFailed, _turn_failed)
    api.add_exception_handler(ClientGone, _client_gone)
    api.add_exception_handler(RequestValidationError, _validation_error)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_exception_handler(Exception, _defect)


def _jackfield_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, JackfieldError)
    body = error_body(
        error.message,
        status=error.status,
        code=error.code,
        hint=error.hint,
        details=error.details,
    )
    return error_answer(body, error.status)


def _turn_failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, TurnFailed)
    return error_answer(event_body(error.event), error.event.status)


def _client_gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


def _validation_error(request: Request, error: Exception) -> Response:
    """FastAPI's own checks, as 400 like every other invalid request."""
    assert isinstance(error, RequestValidationError)
    problems = [dict(one) for one in error.errors()]
    first = problems[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "")
        message = f"The body is not valid JSON: {reason} at character {place[-1]}."
        return error_answer(error_body(message, status=400, code="invalid_json"), 400)
    param = ".".join(part for part in place if part not in ("body", "query", "path"))
    if not param:
        message = "The body must be a JSON object, sent with Content-Type: application/json."
        return error_answer(error_body(message, status=400, code="invalid_json"), 400)
    body = error_body(
        _words(first, param),
        status=400,
        code=InvalidRequest.code,
        details={"param": param, "errors": _by_field(problems)},
    )
    return error_answer(body, 400)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404 and message == HTTPStatus.NOT_FOUND.phrase:
        message = f"There is nothing at {request.url.path!r}. All routes: /docs"
    if error.status_code == 405:
        message = f"{request.method} is not possible at {request.url.path!r}. All routes: /docs"
    return error_answer(
        error_body(message, status=error.status_code, code=_word(error.status_code)),
        error.status_code,
    )


def _defect(request: Request, error: Exception) -> Response:
    """A defect: the log has its traceback, the client a plain sentence."""
    logging.getLogger("jackfield.api").error("%s failed", request.url.path, exc_info=error)
    message = "Jackfield failed to answer; the server's log says why."
    return error_answer(error_body(message, status=500, code="internal_error"), 500)


def _word(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "_")


def _words(problem: Mapping[str, Any], param: str) -> str:
    if problem["type"] == "missing":
        return f"{param!r} is missing; it is required."
    if problem["type"] == "extra_forbidden":
        return f"There is no field {param!r}."
    shown = repr(problem.get("input"))
    if len(shown) > 80:
        shown = shown[:77] + "..."
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return f"{param!r} cannot be {shown}: {reason[:1].lower()}{reason[1:]}."


def _by_field(problems: list[dict[str, Any]]) -> dict[str, str]:
    return {
        ".".join(str(part) for part in one["loc"] if part != "body"): str(one["msg"])
        for one in problems
    }
