"""``/api/tools``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Body

from jackfield_plugins.tools.running import find, listed, run

if TYPE_CHECKING:
    from jackfield.application import Application


def router(app: Callable[[], Application]) -> APIRouter:
    """The routes, which use the application that runs."""
    routes = APIRouter()

    @routes.get("/api/tools")
    def tools() -> list[dict[str, Any]]:
        """All tools of plugins: names, descriptions and JSON schemas."""
        return listed(app())

    @routes.post("/api/tools/{name}/run")
    async def run_tool(
        name: str, arguments: Annotated[dict[str, Any] | None, Body(embed=True)] = None
    ) -> dict[str, Any]:
        """Run a tool with ``{"arguments": {...}}``; ``error`` tells whether it failed."""
        from anyio.to_thread import run_sync

        outcome = await run(await run_sync(find, app(), name), arguments or {})
        return msgspec.structs.asdict(outcome)

    return routes
