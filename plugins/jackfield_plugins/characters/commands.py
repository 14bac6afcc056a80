"""``jackfield characters``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from jackfield import InvalidRequest

if TYPE_CHECKING:
    from . import Characters

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `jackfield characters list` shows it")]


def add_commands(cli: typer.Typer, plugin: Characters) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Characters that a model can play.")
    cli.add_typer(group, name="characters")
    _add_reading(group, plugin)
    _add_files(group, plugin)
    _add_deleting(group, plugin)


def _add_reading(group: typer.Typer, plugin: Characters) -> None:
    @group.command("list")
    def list_(as_json: AsJson = False) -> None:
        """All characters."""
        from .access import brief

        rows = [brief(plugin, one) for one in plugin.all().values()]
        if as_json:
            _print(rows)
            return
        for row in rows:
            own = "comes with Jackfield" if row["read_only"] else ""
            typer.echo(f"{row['id']:<24} {row['name']:<28} {own}".rstrip())

    @group.command()
    def show(id_: Id, as_json: AsJson = False) -> None:
        """One character."""
        from .access import found, shown
        from .playing import greetings

        character = found(plugin, id_)
        if as_json:
            _print(shown(plugin, character))
            return
        typer.echo(character.name)
        for label, text in (
            ("By", character.creator),
            ("Tags", ", ".join(character.tags)),
            ("Notes", character.notes),
            ("Description", character.description),
            ("Personality", character.personality),
            ("Scenario", character.scenario),
            ("Greeting", next(iter(greetings(character)), "")),
            ("Lore", f"{len(character.lore)} entries" if character.lore else ""),
        ):
            if text:
                typer.echo(f"\n{label}: {text}")


def _add_files(group: typer.Typer, plugin: Characters) -> None:
    @group.command("import")
    def import_(
        paths: Annotated[list[Path], typer.Argument(metavar="FILE...", exists=True)],
        as_json: AsJson = False,
    ) -> None:
        """Import files with a character card: PNG, JSON or CHARX."""
        from .access import brief
        from .files import read_file

        made = []
        for path in paths:
            read = read_file(_read(path))
            character = plugin.store.create(read.character, read.picture)
            made.append({**brief(plugin, character), "warnings": list(read.notes)})
            if not as_json:
                typer.echo(f"Imported {character.name!r} as {character.id!r}.")
                for note in read.notes:
                    typer.echo(note, err=True)
        if as_json:
            _print(made)

    @group.command()
    def export(
        id_: Id,
        to: Annotated[
            Path | None, typer.Option(help="File to write; else ID.png or ID.json")
        ] = None,
        format_: Annotated[
            Literal["png", "json"] | None, typer.Option("--format", help="Else by the file's name")
        ] = None,
        version: Annotated[
            Literal["2", "3"] | None, typer.Option(help="Of the card; else its own")
        ] = None,
        force: Annotated[bool, typer.Option(help="Replace a file")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Write a file with the character's card."""
        from .access import exported, found

        character = found(plugin, id_)
        kind = format_ or ("json" if to is not None and to.suffix.lower() == ".json" else "png")
        path = to or Path(f"{id_}.{kind}")
        if path.exists() and not force:
            raise InvalidRequest(
                f"The file {str(path)!r} is there already.", hint="Replace it with --force."
            )
        _write(path, exported(plugin, character, kind, version))
        if as_json:
            _print({"id": id_, "file": str(path)})
        else:
            typer.echo(f"Wrote {path}.")


def _add_deleting(group: typer.Typer, plugin: Characters) -> None:
    @group.command()
    def delete(id_: Id, as_json: AsJson = False) -> None:
        """Put a character aside; `restore` brings it back."""
        from .access import changeable

        changeable(plugin, id_)
        plugin.store.delete(id_)
        if as_json:
            _print({"id": id_, "deleted": True})
        else:
            typer.echo(f"Deleted {id_!r}. Bring it back: jackfield characters restore {id_}")

    @group.command()
    def restore(id_: Id, as_json: AsJson = False) -> None:
        """Bring a deleted character back."""
        from .access import brief

        character = plugin.store.restore(id_)
        if as_json:
            _print(brief(plugin, character))
        else:
            typer.echo(f"{character.name!r} is back as {character.id!r}.")


def _print(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read()
    except OSError as error:
        raise InvalidRequest(f"{str(path)!r} cannot be read: {error.strerror}.") from error


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InvalidRequest(f"{str(path)!r} cannot be written: {error.strerror}.") from error
