"""Commands and routes that plugins add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from jackfield.chat_parts import ChatLook
from jackfield.page import Routes
from jackfield.turn_plugins import Implementation

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from jackfield.application import Application

T = TypeVar("T")


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


def parts(
    implementations: Sequence[Implementation], hook: str, kind: type[T]
) -> list[tuple[str, T]]:
    """Parts of the Chat page, each with its plugin's name."""
    found: list[tuple[str, T]] = []
    for one in implementations:
        for given in one.ask(hook, many=True):
            if isinstance(given, kind):
                found.append((one.plugin, given))
            else:
                one.note(hook, f"it gave {given!r}, which is not a jackfield.{kind.__name__}")
    return found


def look(
    implementations: Sequence[Implementation], options: Mapping[str, Mapping[str, Any]]
) -> ChatLook:
    """How the one who answers is shown: as the first plugin says that has something to say."""
    for one in implementations:
        given = one.ask("chat_look", options=options.get(one.plugin, {}))
        if isinstance(given, ChatLook):
            return given
        if given is not None:
            one.note("chat_look", f"it gave {given!r}, which is not a jackfield.ChatLook")
    return ChatLook()


def routes(implementations: Sequence[Implementation]) -> list[tuple[str, APIRouter | Routes]]:
    """Routes of plugins, each with its plugin's name."""
    if not implementations:
        return []
    from fastapi import APIRouter

    found: list[tuple[str, APIRouter | Routes]] = []
    for one in implementations:
        router: Any = one.ask("routes")
        if isinstance(router, APIRouter | Routes):
            found.append((one.plugin, router))
        elif router is not None:
            one.note(
                "routes",
                f"it gave {router!r}, which is neither a fastapi.APIRouter nor jackfield.Routes",
            )
    return found
