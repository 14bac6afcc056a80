"""``jackfield conversations``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from jackfield.cli.door import Door, confirmed
from jackfield.errors import InvalidRequest, JackfieldError


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="List, export and import chats.")
    cli.add_typer(group, name="conversations")
    _add_reading(group, door)
    _add_keeping(group, door)


def _add_reading(group: typer.Typer, door: Door) -> None:
    @group.command("list")
    def list_(
        search: Annotated[str, typer.Argument(help="Words in the title or messages")] = "",
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    ) -> None:
        """Chats, the latest first."""
        chats = door.app.conversations.list(search)
        if as_json:
            door.json(chats)
            return
        rows = [
            (chat.id[:8], time.strftime("%Y-%m-%d %H:%M", time.localtime(chat.updated)), chat.title)
            for chat in chats
        ]
        door.table(rows, ("id", "changed", "title"), "No chats. Begin one: jackfield chat")

    @group.command()
    def show(
        id_: Annotated[str, typer.Argument(metavar="ID")],
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    ) -> None:
        """Print a chat."""
        path = door.app.conversations.path(_whole(door, id_))
        if as_json:
            door.json([{"role": one.message.role, "text": one.message.text} for one in path])
            return
        for node in path:
            door.screen.print(f"[bold]{node.message.role}[/bold]")
            door.screen.print(node.message.text + "\n", markup=False)


def _add_keeping(group: typer.Typer, door: Door) -> None:
    @group.command()
    def export(
        id_: Annotated[str, typer.Argument(metavar="ID")],
        to: Annotated[Path | None, typer.Option(help="File to write; else the output")] = None,
    ) -> None:
        """Write a chat with all its versions as JSON."""
        data = door.app.conversations.export(_whole(door, id_))
        if to is None:
            typer.echo(data.decode())
        else:
            try:
                to.write_bytes(data)
            except OSError as error:
                raise JackfieldError(f"{str(to)!r} cannot be written: {error.strerror}.") from error
            door.side.print(f"Written to {to}.")

    @group.command("import")
    def import_(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
        """Read a chat that 'export' wrote."""
        chat = door.app.conversations.import_(file.read_bytes())
        door.side.print(f"It is here as {chat.id[:8]}: {chat.title}", markup=False)

    @group.command()
    def delete(
        id_: Annotated[str, typer.Argument(metavar="ID")],
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    ) -> None:
        """Delete a chat for good."""
        chat = door.app.conversations.get(_whole(door, id_))
        confirmed(f"Delete {chat.title!r} for good?", yes=yes)
        door.app.conversations.purge(chat.id)
        door.side.print("Deleted.")


def _whole(door: Door, start: str) -> str:
    """The id that begins with some letters, or those letters."""
    chats = door.app.conversations.list(limit=100_000)
    fitting = [chat.id for chat in chats if chat.id.startswith(start)]
    if len(fitting) > 1:
        raise InvalidRequest(
            f"{len(fitting)} chats have an id that begins with {start!r}.",
            hint="Write more of it: jackfield conversations list",
        )
    return fitting[0] if fitting else start
