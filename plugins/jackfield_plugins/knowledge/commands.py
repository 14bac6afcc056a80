"""``jackfield knowledge``."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jackfield import InvalidRequest, JackfieldError

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield_plugins.knowledge import Knowledge
    from jackfield_plugins.knowledge.desk import Desk
    from jackfield_plugins.knowledge.remote import RemoteDesk

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(metavar="COLLECTION")]
WAIT = 0.2
"""Seconds between two looks at a job."""


class Way:
    """The way to the collections: through the running server, or directly where none runs."""

    def __init__(self, app: Application, knowledge: Knowledge) -> None:
        self._app = app
        self._knowledge = knowledge

    @contextlib.contextmanager
    def desk(self) -> Iterator[Desk | RemoteDesk]:
        """Whoever answers."""
        from jackfield_plugins.knowledge.desk import Desk
        from jackfield_plugins.knowledge.remote import RemoteDesk

        server = RemoteDesk.of(self._app)
        if server is not None:
            yield server
            return
        with self._app.in_thread():
            yield Desk(self._knowledge)


def add(cli: typer.Typer, app: Application, knowledge: Knowledge) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Collections of your own documents.")
    cli.add_typer(group, name="knowledge")
    way = Way(app, knowledge)
    _add_listing(group, way)
    _add_changing(group, way)
    _add_adding(group, way)
    _add_search(group, way)
    _add_measure(group, way)


def _add_listing(group: typer.Typer, way: Way) -> None:
    @group.command("list")
    def list_(
        collection: Annotated[
            str, typer.Argument(help="List its documents; empty: list the collections")
        ] = "",
        as_json: AsJson = False,
    ) -> None:
        """Collections, or the documents of one."""
        with way.desk() as desk:
            rows = desk.documents(collection) if collection else desk.collections()
        if as_json:
            _json(rows)
            return
        for row in rows:
            if collection:
                wrong = f"  {row['error'].splitlines()[0]}" if row["error"] else ""
                typer.echo(
                    f"{row['id']:>5}  {row['state']:<8}{row['chunks']:>7} passages  "
                    f"{row['title']}  ({row['uri']}){wrong}"
                )
            else:
                typer.echo(
                    f"{row['name']:<24}{row['documents']:>7} documents{row['chunks']:>8} passages  "
                    f"{row['model']} ({row['dimensions']} dimensions)"
                )
        if not rows:
            typer.echo("Nothing is here yet: jackfield knowledge create NAME", err=True)


def _add_changing(group: typer.Typer, way: Way) -> None:
    @group.command()
    def create(
        name: Name,
        model: Annotated[str, typer.Option(help="Embedding model; empty: the first")] = "",
        chunk_tokens: Annotated[int, typer.Option(help="0: as the options say")] = 0,
        overlap: Annotated[int | None, typer.Option(help="Tokens that neighbours share")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Make a collection."""
        with way.desk() as desk:
            made = desk.create(name, model, chunk_tokens, overlap)
        if as_json:
            _json(made)
            return
        typer.echo(f"{name} is made; its embedding model is {made['model']}.", err=True)
        typer.echo(f"Add documents: jackfield knowledge add {name} PATH", err=True)

    @group.command()
    def remove(
        name: Name,
        document: Annotated[
            int, typer.Argument(help="Number of a document; 0: the whole collection")
        ] = 0,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    ) -> None:
        """Remove a document, or a collection; your files stay."""
        what = f"document {document} of {name}" if document else f"the collection {name}"
        if not yes and not typer.confirm(f"Remove {what}?", err=True):
            raise typer.Exit(1)
        with way.desk() as desk:
            if document:
                desk.remove(name, document)
            else:
                desk.delete(name)
        typer.echo(f"Removed: {what}.", err=True)


def _add_adding(group: typer.Typer, way: Way) -> None:
    @group.command("add")
    def add_(
        name: Name,
        what: Annotated[
            list[str], typer.Argument(help="Files, folders, or addresses of web pages")
        ],
        watch: Annotated[bool, typer.Option(help="Follow changes of folders")] = True,
        as_json: AsJson = False,
    ) -> None:
        """Add documents, and wait until they can be searched."""
        ended = []
        with way.desk() as desk:
            for one in what:
                if one.startswith(("http://", "https://")):
                    job = desk.add(name, url=one)
                else:
                    job = desk.add(name, path=str(Path(one).expanduser().resolve()), watch=watch)
                ended.append(_followed(desk, job, quiet=as_json))
        if as_json:
            _json(ended)
        else:
            for job in ended:
                told = ", ".join(f"{count} {word}" for word, count in job["result"].items())
                typer.echo(f"{job['what']}: {told or job['state']}", err=True)
        if any(job["state"] != "done" or job["failures"] for job in ended):
            raise typer.Exit(1)


def _add_search(group: typer.Typer, way: Way) -> None:
    @group.command()
    def search(
        query: Annotated[str, typer.Argument(help="What to look for")],
        collection: Annotated[
            list[str] | None, typer.Option("--in", help="A collection; all if none is named")
        ] = None,
        mode: Annotated[str, typer.Option(help="fused, vectors or bm25")] = "fused",
        k: Annotated[int, typer.Option(min=1, max=200, help="Passages")] = 6,
        reranker: Annotated[str, typer.Option(help="A reranking model")] = "",
        minimum: Annotated[float, typer.Option(min=0, max=1, help="Least cosine")] = 0.0,
        source: Annotated[str, typer.Option(help="Only documents like *.pdf")] = "",
        as_json: AsJson = False,
    ) -> None:
        """Find the best passages."""
        if mode not in ("fused", "vectors", "bm25"):
            raise InvalidRequest(f"There is no mode {mode!r}: fused, vectors or bm25.")
        with way.desk() as desk:
            found = desk.search(
                collection or [],
                query=query,
                mode=mode,
                k=k,
                reranker=reranker,
                minimum=minimum,
                filters={"source": source},
            )
        if as_json:
            _json(found)
            return
        for rank, hit in enumerate(found["hits"], start=1):
            typer.echo(f"[{rank}] {hit['score']:.4f}  {hit['label']}")
            typer.echo(f"    {' '.join(hit['chunk']['text'].split())[:300]}")
        if not found["hits"]:
            typer.echo("Nothing was found.", err=True)


def _add_measure(group: typer.Typer, way: Way) -> None:
    @group.command()
    def measure(
        name: Name,
        questions: Annotated[
            Path | None, typer.Option(help="JSON or CSV with question, document, snippet")
        ] = None,
        make: Annotated[
            int, typer.Option(min=0, max=1000, help="Have so many questions made by --model")
        ] = 0,
        model: Annotated[str, typer.Option(help="A model that writes, for --make")] = "",
        reranker: Annotated[str, typer.Option(help="Measure with this reranker too")] = "",
        as_json: AsJson = False,
    ) -> None:
        """Recall, MRR and nDCG of each way of searching."""
        from jackfield_plugins.knowledge.measuring import read_questions

        if make and not model:
            raise InvalidRequest("--make needs --model, a model that writes.")
        asked = read_questions(questions) if questions else []
        with way.desk() as desk:
            if asked:
                desk.set_questions(
                    name,
                    [
                        {"question": one.question, "document": one.document, "snippet": one.snippet}
                        for one in asked
                    ],
                )
            elif make:
                _sound(_followed(desk, desk.make_questions(name, model, make), quiet=as_json))
            job = _sound(_followed(desk, desk.measure(name, reranker), quiet=as_json))
        if as_json:
            _json(job["result"])
            return
        rows = job["result"]["rows"]
        widths = {head: max(len(head), *(len(str(row[head])) for row in rows)) for head in rows[0]}
        for row in [{head: head for head in rows[0]}, *rows]:
            typer.echo("  ".join(str(row[head]).ljust(width) for head, width in widths.items()))


def _followed(desk: Desk | RemoteDesk, job: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """A job when it has ended; Ctrl-C cancels it."""
    shown = ""
    try:
        while job["state"] in ("waiting", "running"):
            line = f"{job['done']:.0f} of {job['total'] or '?'}  {job['current']}"[:78]
            if not quiet and line != shown:
                typer.echo(line, err=True)
                shown = line
            time.sleep(WAIT)
            job = desk.job(job["id"])
    except KeyboardInterrupt:
        desk.cancel(job["id"])
        raise
    for failure in job["failures"]:
        typer.echo(failure, err=True)
    if job["error"]:
        typer.echo(job["error"], err=True)
    return job


def _sound(job: dict[str, Any]) -> dict[str, Any]:
    """The same job, if it ended well.

    Raises:
        JackfieldError: it did not.
    """
    if job["state"] != "done":
        raise JackfieldError(f"{job['what']}: {job['state']}. {job['error']}".strip())
    return job


def _json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
