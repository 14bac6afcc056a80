"""``jackfield models``: finding and fetching more of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from jackfield.cli.door import Door, human_number, human_size
from jackfield.cli.model_description import described
from jackfield.cli.running_server import RunningServer
from jackfield.errors import JackfieldError

if TYPE_CHECKING:
    from jackfield.catalog.downloads import Download
    from jackfield.catalog.model import CatalogModel
    from jackfield.catalog.source import Offer

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Id = Annotated[str, typer.Argument(metavar="ID", help="As 'jackfield models downloads' shows")]


def add_fetching(group: typer.Typer, door: Door) -> None:
    """Add the verbs."""
    _add_finding(group, door)
    _add_pulling(group, door)
    _add_downloads(group, door)


def _add_finding(group: typer.Typer, door: Door) -> None:
    @group.command()
    def search(
        words: Annotated[list[str], typer.Argument(metavar="WORDS...")],
        source: Annotated[str, typer.Option(help="Ask this source alone")] = "",
        as_json: Json = False,
    ) -> None:
        """Search the sources for models to fetch."""
        results = door.app.downloads.search(" ".join(words), source)
        if as_json:
            door.json(results)
            return
        rows = [
            (
                offer.reference or offer.name,
                one.source,
                human_number(offer.popularity),
                offer.license,
                "yes" if offer.gated else "",
                offer.description,
            )
            for one in results
            for offer in one.offers
        ]
        heads = ("fetch it as", "source", "fetched", "license", "gated", "about")
        door.table(rows, heads, f"No source knows anything like {' '.join(words)!r}.")
        for one in results:
            if one.error:
                told = f"{one.title}: {one.error} {one.hint}".rstrip()
                door.side.print(told, style="yellow", markup=False)

    @group.command()
    def variants(
        model: Annotated[str, typer.Argument(help="A name, owner/name or an address")],
        as_json: Json = False,
    ) -> None:
        """What there is of a model to choose from, such as quantizations, with sizes."""
        found = door.app.downloads.variants(model)
        if as_json:
            door.json([{"source": source, "offer": offer} for source, offer in found])
            return
        rows = [
            (
                offer.reference or offer.name,
                offer.quantization,
                human_size(offer.size) if offer.size else "",
                str(len(offer.files) or ""),
                offer.name,
            )
            for _, offer in found
        ]
        door.table(
            rows, ("fetch it as", "quantization", "size", "files", "called here"), "Nothing."
        )


def _add_pulling(group: typer.Typer, door: Door) -> None:
    @group.command()
    def pull(
        model: Annotated[
            str,
            typer.Argument(
                help="A name, owner/name, owner/name:Q4_K_M, owner/name@revision, or the address "
                "of a .gguf file; empty: what is listed"
            ),
        ] = "",
        revision: Annotated[str, typer.Option(help="Branch, tag or commit")] = "",
        quantization: Annotated[str, typer.Option(help="Which one of several")] = "",
        name: Annotated[str, typer.Option(help="What to call it here")] = "",
        source: Annotated[str, typer.Option(help="Ask this source alone")] = "",
        as_json: Json = False,
    ) -> None:
        """Fetch a model, or list those that can be fetched.

        What was interrupted goes on where it was when the same is asked for again.
        """
        if not model:
            _list(door, as_json=as_json)
            return
        asked = model + (f"@{revision}" if revision else "")
        asked += f":{quantization}" if quantization else ""
        found, offer = door.app.downloads.resolve(asked, source)
        if offer.notice:
            door.side.print(offer.notice, markup=False, highlight=False)
        fetched = _fetch(door, found, offer, name)
        if as_json:
            door.json(described(door, fetched))
        door.side.print(f"{fetched.name} is here. Try: jackfield run {fetched.name} 'Hello'")


def _list(door: Door, *, as_json: bool) -> None:
    """What the sources list."""
    import msgspec

    offers = door.app.downloads.offers()
    if as_json:
        door.json([{"source": source, **msgspec.to_builtins(offer)} for source, offer in offers])
        return
    rows = [
        (offer.name, human_size(offer.size), offer.license, offer.title, offer.description)
        for _, offer in offers
    ]
    heads = ("name", "size", "license", "title", "about")
    door.table(rows, heads, "No plugin lists models.")
    door.side.print("More: jackfield models search WORDS")


def _fetch(door: Door, source: str, offer: Offer, name: str) -> CatalogModel:
    """Fetch with a progress bar, or with a line now and then when nobody looks."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bars: dict[str, Any] = {}
    with Progress(*columns, console=door.side) as progress:

        def show(job: Download) -> None:
            stage, total = job.stage or "waiting", job.total or None
            if stage not in bars:
                words = f"{job.offer}: {stage}"
                bars[stage] = progress.add_task(words, total=total, completed=job.done)
            progress.update(bars[stage], completed=job.done, total=total)

        try:
            return door.app.downloads.run(source, offer, show, name)
        except KeyboardInterrupt:
            resumes = door.app.downloads.sources.get(source).resumes
            kept = "What has arrived is kept; the same command goes on from there."
            door.side.print(f"Stopped. {kept if resumes else 'Nothing of it was kept.'}")
            raise


def _add_downloads(group: typer.Typer, door: Door) -> None:
    @group.command()
    def downloads(as_json: Json = False) -> None:
        """Downloads of the running server, and those that were interrupted."""
        found = _downloads(door)
        if as_json:
            door.json(found)
            return
        rows = [
            (
                one["id"],
                one["offer"],
                one["state"],
                _arrived(one["done"], one["total"]),
                _time(one["seconds_left"]),
                one["error"] or one["stage"],
            )
            for one in found
        ]
        heads = ("id", "model", "state", "arrived", "left", "about")
        door.table(rows, heads, "There is none. Begin one: jackfield models pull MODEL")

    @group.command()
    def pause(download: Id) -> None:
        """Pause a download of the running server; what has arrived is kept."""
        _tell(door, RunningServer(door.paths), download, "pause")

    @group.command()
    def resume(download: Id) -> None:
        """Let the running server go on with a download that was paused or has failed."""
        _tell(door, RunningServer(door.paths), download, "resume")

    @group.command()
    def cancel(download: Id) -> None:
        """Cancel a download; what has arrived is thrown away."""
        server = _server(door)
        if server is not None:
            _tell(door, server, download, "cancel")
            return
        door.app.downloads.cancel(download)
        door.side.print(f"{door.app.downloads.get(download).offer}: cancelled.")


def _downloads(door: Door) -> list[dict[str, Any]]:
    """As the server sees them; without one, what is noted on disk."""
    import msgspec

    server = _server(door)
    if server is not None:
        listed: list[dict[str, Any]] = server.get("/api/downloads")
        return listed
    return [msgspec.to_builtins(one) for one in door.app.downloads.list()]


def _server(door: Door) -> RunningServer | None:
    """The running server, None when there is none."""
    if not door.paths.server.exists():
        return None
    try:
        server = RunningServer(door.paths)
        server.get("/health")
    except JackfieldError:
        return None
    return server


def _tell(door: Door, server: RunningServer, download: str, verb: str) -> None:
    from urllib.parse import quote

    path = f"/api/downloads/{quote(download, safe='')}/{verb}"
    told = server.post(path, timeout=30.0)
    door.side.print(f"{told['offer']}: {told['state']}.")


def _arrived(done: int, total: int) -> str:
    return f"{human_size(done)} of {human_size(total)}" if total else human_size(done)


def _time(seconds: float | None) -> str:
    """Seconds as people read them, "" where they are not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
