"""The command ``jackfield``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import typer

from jackfield.cli.door import Door
from jackfield.errors import JackfieldError

if TYPE_CHECKING:
    from jackfield.application import Application

VERBS = (
    "serve",
    "chat",
    "run",
    "embed",
    "models",
    "plugins",
    "plugin_making",
    "environments",
    "conversations",
    "config",
    "doctor",
)
ABOUT = "A workbench for language models on your own computer; all parts are plugins."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 when it worked, 1 when it failed, 2 for a usage mistake."""
    door = Door(sys.argv[1:] if arguments is None else arguments)
    try:
        typer.main.get_command(_typer(door))(door.words, prog_name="jackfield")
    except JackfieldError as error:
        sys.exit(door.report(error))
    except KeyboardInterrupt:
        sys.exit(130)


def build_cli(app: Application) -> typer.Typer:
    """The command with all verbs, those of plugins included."""
    return _typer(Door([], app))


def _typer(door: Door) -> typer.Typer:
    cli = typer.Typer(
        help=ABOUT,
        no_args_is_help=True,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @cli.callback()
    def options(
        home: str = typer.Option("", help="Data folder; JACKFIELD_HOME does the same"),
        debug: bool = typer.Option(False, "--debug", help="Show tracebacks"),
        version: bool = typer.Option(
            False, "--version", is_eager=True, callback=_version, help="Show the version"
        ),
    ) -> None:
        """A workbench for language models on your own computer; all parts are plugins."""
        # home and debug are read before the command line is parsed: plugins add verbs to it

    for verb in VERBS:
        import_module(f"jackfield.cli.{verb}").add(cli, door)
    if door.has_app:
        door.app.plugins.commands(cli, door.app)
    return cli


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"jackfield {version('jackfield')}")
        raise typer.Exit
