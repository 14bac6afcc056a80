"""``jackfield plugins new`` and ``check``: for authors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jackfield.cli.door import Door


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verbs to the group ``plugins``, which is there already."""
    group = next(one.typer_instance for one in cli.registered_groups if one.name == "plugins")
    assert group is not None

    @group.command()
    def new(
        name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens")],
        loader: Annotated[bool, typer.Option("--loader", help="A model loader")] = False,
        folder: Annotated[Path, typer.Option(help="Where to put it")] = Path(),
    ) -> None:
        """Write the start of a plugin or loader, with its tests."""
        from jackfield.scaffold import create

        made = create("loader" if loader else "plugin", name, folder)
        door.side.print(f"Written to {made}. Next:", markup=False)
        door.side.print(f"  jackfield plugins install --editable {made}", markup=False)
        door.side.print(f"  jackfield plugins check {name}", markup=False)

    @group.command()
    def check(
        plugin: Annotated[str, typer.Argument(metavar="PLUGIN")],
        model: Annotated[
            Path | None, typer.Option(exists=True, help="A model for its loaders")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    ) -> None:
        """Run the suites that plugins and loaders have to pass."""
        from jackfield.testing.check import run

        results = []
        for result in run(plugin, model, door.paths.plugins):
            results.append(result)
            if not as_json:
                mark = "[green]ok[/green]    " if result.passed else "[red]failed[/red]"
                door.screen.print(f"{mark} {result.subject}: {result.check}")
                if result.failure:
                    door.screen.print(f"       {result.failure}", markup=False)
        if as_json:
            door.json(results)
        if not all(result.passed for result in results):
            raise typer.Exit(1)
