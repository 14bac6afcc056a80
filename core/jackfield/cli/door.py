"""What all verbs share: the data folder, the application, and how things are shown."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from jackfield.errors import JackfieldError
from jackfield.paths import Paths

if TYPE_CHECKING:
    from rich.console import Console

    from jackfield.application import Application


class Door:
    """The command line's way into an application.

    ``--home`` and ``--debug`` are taken out of the words wherever they stand. The application is
    made at once, because plugins add verbs; if that fails, the error waits until a verb needs it.
    """

    def __init__(self, words: Sequence[str], app: Application | None = None) -> None:
        self.words, home, self.debug = _global_options(list(words))
        self.paths = Paths(Path(home).expanduser().resolve()) if home else Paths.default()
        self._app = app
        self._error: JackfieldError | None = None
        if app is not None:
            self.paths = app.paths
        elif self.words[:1] not in (["config"], ["doctor"]) and not _without_plugins(self.words):
            self._make()

    @property
    def has_app(self) -> bool:
        """Whether the application could be made."""
        return self._app is not None

    @property
    def app(self) -> Application:
        """The application.

        Raises:
            JackfieldError: it could not be made.
        """
        if self._app is None and self._error is None:
            self._make()
        if self._app is None:
            assert self._error is not None
            raise self._error
        return self._app

    @cached_property
    def screen(self) -> Console:
        """Standard output, for people."""
        from rich.console import Console

        return Console(highlight=False, soft_wrap=not sys.stdout.isatty())

    @cached_property
    def side(self) -> Console:
        """Standard error, for progress and notices."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())

    def report(self, error: JackfieldError) -> int:
        """Show an error; return its exit status."""
        if self.debug:
            traceback.print_exception(error)
        self.side.print(f"[red]Error:[/red] {_escaped(error.message)}")
        if error.hint:
            self.side.print(_escaped(error.hint))
        return error.exit_code

    def table(self, rows: Sequence[Sequence[str]], heads: Sequence[str], empty: str) -> None:
        """Show rows under heads, or what to do when there are none."""
        from rich.table import Table

        if not rows:
            self.side.print(empty)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for place, head in enumerate(heads):
            # The first says what to type next: it stays whole, however narrow the terminal is.
            table.add_column(head, no_wrap=place == 0)
        for row in rows:
            table.add_row(*(_escaped(cell) for cell in row))
        self.screen.print(table)

    def json(self, value: Any) -> None:
        """Print a value as JSON, for programs."""
        typer.echo(json.dumps(msgspec.to_builtins(value, enc_hook=str), indent=2))

    def _make(self) -> None:
        from jackfield.application import Application

        try:
            self._app = Application.create(self.paths)
        except JackfieldError as error:
            self._error = error


def human_size(size: float) -> str:
    """Bytes as people read them, in decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit in ("B", "kB", "MB") else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def human_number(number: int) -> str:
    """A large number as people say it: ``135M``, ``1.5B``; "" for none."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number) if number else ""


def confirmed(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone.

    Raises:
        Exit: the answer was no, or nobody is there to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise JackfieldError(f"{question} Nobody is here to ask.", hint="Add --yes to do it.")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _global_options(words: list[str]) -> tuple[list[str], str, bool]:
    """Words without ``--home`` and ``--debug``, and their values."""
    home, debug, kept = "", False, []
    following = iter(words)
    for word in following:
        if word == "--":
            kept += [word, *following]
        elif word == "--debug":
            debug = True
        elif word == "--home":
            home = next(following, "")
        elif word.startswith("--home="):
            home = word.partition("=")[2]
        else:
            kept.append(word)
    return kept, home, debug


def _without_plugins(words: list[str]) -> bool:
    """Whether a verb must work although importing a plugin ends the process."""
    return words[:2] in (["plugins", "disable"], ["plugins", "uninstall"])


Add = Callable[[typer.Typer, Door], None]
