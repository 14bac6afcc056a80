"""``jackfield translate``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from jackfield import InvalidRequest, Translator
from jackfield_plugins.translation.languages import name_of

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield_plugins.translation.engines import Engines


def add(
    cli: typer.Typer,
    app: Application,
    engines: Callable[[], Engines],
    supplied: Callable[[], Mapping[str, Translator]],
) -> None:
    """Add the verb; what translates is imported when it runs."""

    @cli.command()
    def translate(
        text: Annotated[str, typer.Argument(help="Text; '-' reads it from the input")] = "",
        to: Annotated[str, typer.Option("--to", help="Language wanted, such as fr")] = "",
        source: Annotated[
            str, typer.Option("--from", help="Language of the text; left out: it is found out")
        ] = "",
        plain: Annotated[
            bool, typer.Option("--plain", help="The text is no Markdown: it has no code blocks")
        ] = False,
        pairs: Annotated[bool, typer.Option("--pairs", help="List pairs of languages")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    ) -> None:
        """Translate a text on this computer."""
        from jackfield_plugins.translation.service import translation

        with app.in_thread():
            if pairs:
                _print_pairs(engines(), supplied(), as_json=as_json)
                return
            if not to or not text:
                raise InvalidRequest(
                    "A text and the language wanted are needed.",
                    hint='For example: jackfield translate "Good morning" --to fr',
                )
            given = sys.stdin.read() if text == "-" else text
            made = translation(engines(), [given], source, to, markdown=not plain)
        if as_json:
            typer.echo(json.dumps(msgspec.structs.asdict(made), ensure_ascii=False))
        else:
            typer.echo(made.texts[0], nl=not made.texts[0].endswith("\n"))


def _print_pairs(engines: Engines, supplied: Mapping[str, Translator], *, as_json: bool) -> None:
    from jackfield_plugins.translation.service import pair_list

    found = pair_list(engines, supplied)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found["pairs"]:
        names = f"{name_of(one['source'])} to {name_of(one['target'])}"
        typer.echo(f"{one['source']} {one['target']}  {one['engine']:<10} {names}")
    for one in found["missing"]:
        typer.echo(f"{one['engine']} is not installed: {one['install']}", err=True)
    if not found["pairs"]:
        typer.echo("No pair is here. jackfield models pull Helsinki-NLP/opus-mt-en-fr", err=True)
