"""Tells a model of tools where its own template does not."""

from __future__ import annotations

import json
from collections.abc import Sequence

from jackfield import ToolDefinition


def described(tools: Sequence[ToolDefinition], before: str, after: str, key: str) -> str:
    """The tools, and how a call of one is written.

    Args:
        before, after: what stands round the JSON object of a call.
        key: what the object calls the arguments.
    """
    listed = "\n".join(
        json.dumps(
            {"name": one.name, "description": one.description, "parameters": one.parameters},
            ensure_ascii=False,
        )
        for one in tools
    )
    return (
        "You can call these tools; the parameters of each are a JSON schema:\n"
        f"{listed}\n\n"
        "To call a tool, write exactly this and nothing else:\n"
        f'{before}{{"name": "the tool\'s name", "{key}": {{"a parameter": "its value"}}}}{after}\n'
        "You are then given the result and can go on. "
        "If no tool is needed, answer the user in words."
    )
