"""``jackfield environments``: interpreters of their own for loaders that clash with others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from jackfield.cli.door import Door, confirmed

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="Usually its loader's name")]


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verbs."""
    group = typer.Typer(help="Isolated environments of loaders: list, make, repair, remove.")
    cli.add_typer(group, name="environments")

    @group.command("list")
    def list_(as_json: Json = False) -> None:
        """All environments, and what state they are in."""
        records = door.app.environment_jobs.list()
        if as_json:
            door.json(records)
            return
        rows = [
            (
                one.name,
                one.state,
                f"{one.size / 1e6:,.0f} MB" if one.size else "",
                ", ".join(one.loaders),
                ", ".join(one.requirements),
            )
            for one in records
        ]
        heads = ("name", "state", "size", "loaders", "holds")
        door.table(rows, heads, "No loader needs one.")

    @group.command()
    def make(name: Name) -> None:
        """Make a loader's environment now, if it is not there and right."""
        wanted = door.app.environment_jobs.find(name)
        python = door.app.environments.ensure(wanted, _teller(door))
        door.side.print(f"The environment {name} is ready: {python}", markup=False)

    @group.command()
    def repair(name: Name) -> None:
        """Make an environment anew."""
        wanted = door.app.environment_jobs.find(name)
        door.app.environments.make(wanted, _teller(door))
        door.side.print(f"The environment {name} was made anew.", markup=False)

    @group.command()
    def remove(
        name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False
    ) -> None:
        """Delete an environment; it is made again when its loader next needs it."""
        record = door.app.environments.get(name)
        door.app.environments.refuse_used(name, "be removed")
        confirmed(f"Remove the environment {name} ({record.size / 1e6:,.0f} MB)?", yes=yes)
        door.app.environments.remove(name)
        door.side.print(f"The environment {name} is gone.", markup=False)


def _teller(door: Door) -> Callable[[str], None]:
    return lambda line: door.side.print(line, style="dim", markup=False)
