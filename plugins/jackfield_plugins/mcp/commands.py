"""``jackfield mcp``."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jackfield import InvalidRequest
from jackfield_plugins.mcp import changes

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield_plugins.mcp import Mcp


def add(cli: typer.Typer, app: Application, plugin: Mcp) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="List, add and remove MCP servers.")
    cli.add_typer(group, name="mcp")
    _add_list(group, app, plugin)
    _add_add(group, app, plugin)

    @group.command()
    def remove(name: Annotated[str, typer.Argument(help="The server's name")]) -> None:
        """Remove a server."""
        changes.remove(app, plugin, name)
        typer.echo(f"Removed {name}.")

    @group.command()
    def secret(name: Annotated[str, typer.Argument(help="What ${NAME} stands for")]) -> None:
        """Set a secret for env, headers or url, asked for unseen; empty forgets it."""
        value = typer.prompt("Value", hide_input=True, default="", show_default=False)
        changes.set_secret(app, plugin, name, value)
        typer.echo(f"{'Kept' if value else 'Forgot'} {name}.")


def _add_list(group: typer.Typer, app: Application, plugin: Mcp) -> None:
    @group.command("list")
    def list_(
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    ) -> None:
        """Connect to the servers and tell how they are."""
        states = _settled(app, plugin)
        if as_json:
            typer.echo(json.dumps(states, ensure_ascii=False))
            return
        for one in states:
            typer.echo(f"{one['name']:<16} {one['state']:<10} {one['where']}")
            for line in [*one["error"].splitlines(), ", ".join(one["tools"])]:
                if line:
                    typer.echo(f"    {line}")
        if not states:
            typer.echo("No MCP servers. Add one: jackfield mcp add NAME -- COMMAND", err=True)


def _add_add(group: typer.Typer, app: Application, plugin: Mcp) -> None:
    @group.command("add")
    def add_(
        name: Annotated[str, typer.Argument(help="Short name; its tools' names begin with it")],
        command: Annotated[
            list[str] | None, typer.Argument(help="Program and arguments, after --")
        ] = None,
        url: Annotated[str, typer.Option(help="Address, in place of a program")] = "",
        env: Annotated[list[str] | None, typer.Option(help="NAME=value for the program")] = None,
        header: Annotated[list[str] | None, typer.Option(help="NAME=value to send")] = None,
        always: Annotated[
            bool, typer.Option("--always", help="Run its tools without asking")
        ] = False,
    ) -> None:
        """Add a server: a program that is started, or an address.

        Write ${NAME} in a value for a secret, and set it with: jackfield mcp secret NAME
        """
        program = command or []
        if bool(program) == bool(url):
            raise InvalidRequest(
                "An MCP server is either a program or an address.",
                hint=f"Write: jackfield mcp add {name} -- COMMAND, or --url ADDRESS",
            )
        values = {
            "name": name,
            "transport": "http" if url else "stdio",
            "command": program[0] if program else "",
            "args": program[1:],
            "url": url,
            "env": _pairs(env or ()),
            "headers": _pairs(header or ()),
            "approval": "always" if always else "ask",
        }
        server = changes.add(app, plugin, values)
        typer.echo(f"Added {server.name}: {server.where}")


def _settled(app: Application, plugin: Mcp) -> list[dict[str, Any]]:
    """The servers, once none is being connected any more."""
    with app.in_thread():
        until = time.monotonic() + plugin.config.connect_seconds + 5
        while time.monotonic() < until:
            states = plugin.states()
            if all(one["state"] != "connecting" for one in states):
                return states
            time.sleep(0.1)
        return plugin.states()


def _pairs(given: Sequence[str]) -> dict[str, str]:
    """``NAME=value`` as a table."""
    pairs = {}
    for one in given:
        name, found, value = one.partition("=")
        if not found or not name:
            raise InvalidRequest(f"{one!r} is not of the form NAME=value.")
        pairs[name] = value
    return pairs
