"""``jackfield --help``: all verbs, without what only a verb's own help shows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import typer
from typer.main import solve_typer_info_defaults

COMMANDS_HOOK = "jackfield_commands"
"""The hook of the plugins that add verbs: no other plugin is needed to list them."""


def is_overview(words: Sequence[str]) -> bool:
    """Whether a command line asks for nothing but the list of verbs."""
    return list(words) in ([], ["-h"], ["--help"])


def outline(cli: typer.Typer) -> None:
    """Leave out parameters and sub-commands: to make them of all verbs takes long."""
    cli.registered_commands = [_bare_command(one) for one in cli.registered_commands]
    cli.registered_groups = [_bare_group(one) for one in cli.registered_groups]


def _bare_command(command: Any) -> Any:
    bare = copy(command)
    if command.callback is not None:
        bare.callback = _without_parameters(command.callback)
    return bare


def _bare_group(group: Any) -> Any:
    """A copy, because the command line may be a plugin's own, which is used again."""
    bare = copy(group)
    bare.typer_instance = copy(group.typer_instance)
    if solve_typer_info_defaults(group).name:
        bare.typer_instance.registered_commands = []
        bare.typer_instance.registered_groups = []
    else:  # without a name of its own it only lends its commands to the one above
        outline(bare.typer_instance)
    return bare


def _without_parameters(callback: Callable[..., Any]) -> Callable[[], None]:
    def verb() -> None:
        """Stands for a verb in the list."""

    verb.__name__ = getattr(callback, "__name__", "")
    verb.__doc__ = inspect.getdoc(callback)
    return verb
