"""``jackfield tools``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from jackfield import InvalidRequest
from jackfield_plugins.tools.running import find, listed, run

if TYPE_CHECKING:
    from jackfield.application import Application


def add(cli: typer.Typer, app: Application) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="List and try the tools that models can call.")
    cli.add_typer(group, name="tools")

    @group.command("list")
    def list_(
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    ) -> None:
        """All tools of plugins."""
        with app.in_thread():
            tools = listed(app)
        if as_json:
            typer.echo(json.dumps(tools, ensure_ascii=False))
            return
        for one in tools:
            first = str(one["description"]).partition("\n")[0]
            typer.echo(f"{one['name']:<32} {one['plugin']:<12} {one['approval']:<7} {first}")
        if not tools:
            typer.echo("There are no tools: enable the plugin 'tools'.", err=True)

    @group.command("run")
    def run_(
        name: Annotated[str, typer.Argument(help="The tool's name")],
        arguments: Annotated[str, typer.Argument(help="A JSON object")] = "{}",
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    ) -> None:
        """Run a tool with arguments."""
        try:
            given = json.loads(arguments)
        except ValueError as error:
            raise InvalidRequest(f"The arguments are no JSON: {error}.") from error
        if not isinstance(given, dict):
            raise InvalidRequest(
                "The arguments are no JSON object.", hint="Write for example: '{\"a\": 1}'"
            )
        with app.in_thread():
            outcome = app.portal.call(run, find(app, name), given)
        if as_json:
            typer.echo(json.dumps(msgspec.structs.asdict(outcome), ensure_ascii=False))
        else:
            typer.echo(outcome.text, err=outcome.error)
        if outcome.error:
            raise typer.Exit(1)
