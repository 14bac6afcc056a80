"""Commands and routes that plugins add."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jackfield.turn_plugins import Implementation

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from jackfield.application import Application


def add_commands(
    cli: typer.Typer, app: Application, implementations: Sequence[Implementation]
) -> None:
    """Let plugins add commands to those that are there.

    Each adds them to a command line of its own first, so that one that fails half-way leaves
    nothing behind and none takes the place of another's.
    """
    import typer

    taken = set(_names(cli))
    for one in implementations:
        own = typer.Typer()
        if not one.tell("commands", cli=own, app=app):
            continue
        names = _names(own)
        twice = sorted(set(names) & taken)
        if twice:
            one.note("commands", f"there is a command {twice[0]!r} already")
            continue
        taken.update(names)
        cli.registered_commands += own.registered_commands
        cli.registered_groups += own.registered_groups


def _names(cli: typer.Typer) -> list[str]:
    """Names of the commands and groups of a command line."""
    from typer.main import get_command_name, solve_typer_info_defaults

    commands = [
        command.name or get_command_name(getattr(command.callback, "__name__", ""))
        for command in cli.registered_commands
    ]
    groups = [solve_typer_info_defaults(group).name or "" for group in cli.registered_groups]
    return [name for name in [*commands, *groups] if name]


def routes(implementations: Sequence[Implementation]) -> list[tuple[str, APIRouter]]:
    """Routes of plugins, each with its plugin's name."""
    if not implementations:
        return []
    from fastapi import APIRouter

    found: list[tuple[str, APIRouter]] = []
    for one in implementations:
        router: Any = one.ask("routes")
        if isinstance(router, APIRouter):
            found.append((one.plugin, router))
        elif router is not None:
            one.note("routes", f"it gave {router!r}, which is not a fastapi.APIRouter")
    return found
