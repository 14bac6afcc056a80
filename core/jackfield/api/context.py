"""What routes are given to work with."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from jackfield.api.metrics import Metrics
from jackfield.application import Application

# Coroutines, though they wait for nothing: FastAPI runs plain functions in a thread, which each
# request would wait for while a model keeps the processors busy.


async def _application(request: Request) -> Application:
    app: Application = request.app.state.jackfield
    return app


async def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


App = Annotated[Application, Depends(_application)]
"""The application, as an argument of a route."""

Counts = Annotated[Metrics, Depends(_metrics)]
"""The metrics, as an argument of a route."""
