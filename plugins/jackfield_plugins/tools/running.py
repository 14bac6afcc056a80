"""Runs a tool for the user, outside any chat."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield import JackfieldError, NotFound, Tool

if TYPE_CHECKING:
    from jackfield.application import Application


class Outcome(msgspec.Struct, frozen=True):
    """What came of a call.

    Attributes:
        error: it failed; ``text`` says why.
    """

    text: str
    error: bool
    seconds: float


def listed(app: Application) -> list[dict[str, Any]]:
    """All tools with their plugins, as JSON."""
    return [
        {
            "plugin": plugin,
            "name": one.name,
            "title": one.title or one.name,
            "description": one.description,
            "parameters": one.parameters,
            "approval": one.approval,
            "seconds": one.seconds,
        }
        for plugin, one in app.plugins.tools()
    ]


def find(app: Application, name: str) -> Tool:
    """A tool by its name.

    Raises:
        NotFound: there is none.
    """
    tools = {one.name: one for _, one in app.plugins.tools()}
    if name in tools:
        return tools[name]
    near = get_close_matches(name, tools, 1)
    raise NotFound(
        f"There is no tool {name!r}.",
        hint=f"Did you mean {near[0]!r}?" if near else "List them: jackfield tools list",
    )


async def run(tool: Tool, arguments: Mapping[str, Any]) -> Outcome:
    """Call a tool; never fails."""
    import anyio
    import anyio.to_thread

    begun = time.perf_counter()
    try:
        with anyio.fail_after(tool.seconds):
            if inspect.iscoroutinefunction(tool.run):
                text = await tool.run(dict(arguments))
            else:
                text = await anyio.to_thread.run_sync(
                    tool.run, dict(arguments), abandon_on_cancel=True
                )
        error = False
    except TimeoutError:
        text, error = f"It gave no answer within {tool.seconds:g} seconds.", True
    except JackfieldError as failure:
        text, error = str(failure), True
    except (Exception, SystemExit) as failure:  # noqa: BLE001 - a plugin's own code runs here
        text, error = f"{type(failure).__name__}: {failure}", True
    return Outcome(str(text), error, round(time.perf_counter() - begun, 3))
