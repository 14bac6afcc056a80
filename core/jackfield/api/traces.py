"""``/api/traces``: what plugins did to a turn."""

from __future__ import annotations

from fastapi import APIRouter

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import Shown
from jackfield.trace import Trace

router = APIRouter(prefix="/api", tags=["turns"])


@router.get("/traces/{turn}", responses={404: {"model": ErrorResponse}})
def trace(turn: str, app: App) -> Shown[Trace]:
    """The whole way of a turn: its prompt, and each hook that was called, in order."""
    return app.traces.get(turn)
