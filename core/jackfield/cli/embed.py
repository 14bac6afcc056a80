"""``jackfield embed`` and ``jackfield rerank``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from jackfield.cli.door import Door
from jackfield.errors import InvalidRequest

Model = Annotated[str, typer.Argument(help="Model, as 'jackfield models list' names it")]
Files = Annotated[list[Path] | None, typer.Option("--file", help="A file to read as one text")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verbs."""

    @cli.command()
    def embed(
        model: Model,
        texts: Annotated[
            list[str] | None, typer.Argument(help="Texts; '-' reads one a line from the input")
        ] = None,
        file: Files = None,
        dimensions: Annotated[int, typer.Option(min=0, help="Shorten the vectors; 0: not")] = 0,
        as_json: AsJson = False,
    ) -> None:
        """Print the vectors of texts; for people, how alike the texts are."""
        _embed(door, model, _texts(texts, file), dimensions, as_json=as_json)

    @cli.command()
    def rerank(
        model: Model,
        query: Annotated[str, typer.Argument(help="What is looked for")],
        documents: Annotated[
            list[str] | None, typer.Argument(help="Texts; '-' reads one a line from the input")
        ] = None,
        file: Files = None,
        top: Annotated[int, typer.Option(min=0, help="Show so many of the best; 0: all")] = 0,
        as_json: AsJson = False,
    ) -> None:
        """Sort documents by how well they answer a question."""
        _rerank(door, model, query, _texts(documents, file), top, as_json=as_json)


def _embed(door: Door, model: str, texts: list[str], dimensions: int, *, as_json: bool) -> None:

    with door.app.in_thread():
        asked = door.app.embedding
        found = door.app.portal.call(lambda: asked.embed(model, texts, dimensions=dimensions))
    if as_json:
        door.json(
            {"embeddings": found.rows(), "dimensions": found.dimensions, "tokens": found.tokens}
        )
        return
    alike = found.similarities()
    rows = [
        [str(place + 1), *(f"{one:.3f}" for one in row), _short(text)]
        for place, (row, text) in enumerate(zip(alike, texts, strict=True))
    ]
    numbers = [str(place + 1) for place in range(len(texts))]
    door.table(rows, ["", *numbers, "text"], empty="")
    door.side.print(f"{found.dimensions} dimensions, {found.tokens} tokens; numbers: --json")


def _rerank(
    door: Door, model: str, query: str, documents: list[str], top: int, *, as_json: bool
) -> None:

    with door.app.in_thread():
        asked = door.app.embedding
        found = door.app.portal.call(asked.rerank, model, query, documents)
    best = found.order()[: top or None]
    if as_json:
        results = [
            {"index": place, "score": found.scores[place], "text": documents[place]}
            for place in best
        ]
        door.json({"results": results, "tokens": found.tokens})
        return
    rows = [[f"{found.scores[place]:.4f}", _short(documents[place])] for place in best]
    door.table(rows, ["score", "text"], empty="")


def _texts(words: list[str] | None, files: list[Path] | None) -> list[str]:
    """What was typed, what the files hold, and the lines of the input for ``-``.

    Raises:
        InvalidRequest: a file cannot be read.
    """
    texts: list[str] = []
    for word in words or ():
        if word == "-":
            texts += [line for line in sys.stdin.read().splitlines() if line.strip()]
        else:
            texts.append(word)
    for path in files or ():
        try:
            texts.append(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"The file {str(path)!r} cannot be read: {error}.") from error
    return texts


def _short(text: str, longest: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
