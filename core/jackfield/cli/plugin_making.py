"""``jackfield plugins new`` and ``check``: for authors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jackfield.cli.door import Door
from jackfield.cli.load_flags import Option, load_options

if TYPE_CHECKING:
    from jackfield.loader import Loader
    from jackfield.testing.check import CheckResult, Outcome

COLOURS: dict[Outcome, str] = {"passed": "green", "failed": "red", "not claimed": "dim"}


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
        option: Option = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    ) -> None:
        """Run the suites that plugins and loaders have to pass, and report."""
        from jackfield.environments import Environments
        from jackfield.settings_store import SettingsStore
        from jackfield.testing.check import run

        results = []
        environments = Environments(door.paths, SettingsStore(door.paths))

        def interpreter(loader: Loader) -> str:
            return environments.interpreter(
                loader, lambda line: door.side.print(line, style="dim", markup=False)
            )

        for result in run(
            plugin, model, load_options(option), door.paths.plugins, interpreter=interpreter
        ):
            results.append(result)
            if door.side.is_terminal:
                door.side.print(f"{len(results)} {result.check}", markup=False)
        if as_json:
            door.json(results)
        else:
            _report(door, results)
        if any(result.outcome == "failed" for result in results):
            raise typer.Exit(1)


def _report(door: Door, results: Sequence[CheckResult]) -> None:
    """A table for each subject, and how many checks ended how."""
    from rich.table import Table
    from rich.text import Text

    for subject in dict.fromkeys(result.subject for result in results):
        table = Table("check", "outcome", "why", title=subject, title_justify="left")
        for result in results:
            if result.subject == subject:
                outcome = Text(result.outcome, COLOURS[result.outcome])
                table.add_row(Text(result.check), outcome, Text(result.reason))
        door.screen.print(table)
    counts = Counter(result.outcome for result in results)
    door.screen.print(", ".join(f"{counts[outcome]} {outcome}" for outcome in COLOURS))
