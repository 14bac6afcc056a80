"""What a command says to single plugins: ``--option knowledge.collections=["manuals"]``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import typer

from jackfield.errors import InvalidRequest

Options: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--option", help="Say something to a plugin: plugin.name=value", metavar="TEXT"),
]


def plugin_options(given: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Options by plugin; a value that is JSON is read as such.

    Raises:
        InvalidRequest: one is not of the form ``plugin.name=value``.
    """
    found: dict[str, dict[str, Any]] = {}
    for one in given or ():
        key, equals, text = one.partition("=")
        plugin, dot, name = key.partition(".")
        if not (equals and dot and plugin and name):
            raise InvalidRequest(
                f"{one!r} is not of the form plugin.name=value.",
                hint="For example: --option translation.on=true",
            )
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.setdefault(plugin, {})[name] = value
    return found
