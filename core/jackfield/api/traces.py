"""``/api/traces``: what plugins did to a turn."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import model_of
from jackfield.trace import Trace

router = APIRouter(prefix="/api", tags=["turns"])


@router.get(
    "/traces/{turn}", response_model=model_of(Trace), responses={404: {"model": ErrorResponse}}
)
def trace(turn: str, app: App) -> Any:
    """The whole way of a turn: its prompt, and each hook that was called, in order."""
    return msgspec.to_builtins(app.traces.get(turn))
