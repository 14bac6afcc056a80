"""``jackfield environments``: interpreters of their own for loaders that clash with others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from jackfield.cli.door import Door, confirmed
from jackfield.errors import NotFound

if TYPE_CHECKING:
    from jackfield.environments import Wanted

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="Usually its loader's name")]


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verbs."""
    group = typer.Typer(help="Isolated environments of loaders: list, make, repair, remove.")
    cli.add_typer(group, name="environments")

    @group.command("list")
    def list_(as_json: Json = False) -> None:
        """All environments, and what state they are in."""
        records = door.app.environments.list()
        if as_json:
            door.json(records)
            return
        rows = [
            (one.name, one.state, f"{one.size / 1e6:,.0f} MB", ", ".join(one.requirements))
            for one in records
        ]
        door.table(rows, ("name", "state", "size", "holds"), "No loader has one yet.")

    @group.command()
    def make(name: Name) -> None:
        """Make a loader's environment now, if it is not there and right."""
        python = door.app.environments.ensure(_wanted(door, name), _teller(door))
        door.side.print(f"The environment {name} is ready: {python}", markup=False)

    @group.command()
    def repair(name: Name) -> None:
        """Make an environment anew."""
        door.app.environments.make(_wanted(door, name), _teller(door))
        door.side.print(f"The environment {name} was made anew.", markup=False)

    @group.command()
    def remove(
        name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False
    ) -> None:
        """Delete an environment; it is made again when its loader next needs it."""
        record = door.app.environments.get(name)
        confirmed(f"Remove the environment {name} ({record.size / 1e6:,.0f} MB)?", yes=yes)
        door.app.environments.remove(name)
        door.side.print(f"The environment {name} is gone.", markup=False)


def _wanted(door: Door, name: str) -> Wanted:
    from jackfield.environments import Wanted

    found = {
        one.name: wanted
        for one in door.app.plugins.loaders().values()
        if (wanted := Wanted.of(one)) is not None
    }
    if name not in found:
        have = f"Those that do: {', '.join(found)}." if found else "No enabled loader does."
        raise NotFound(f"No loader {name!r} runs in an environment of its own.", hint=have)
    return found[name]


def _teller(door: Door) -> Callable[[str], None]:
    return lambda line: door.side.print(line, style="dim", markup=False)
