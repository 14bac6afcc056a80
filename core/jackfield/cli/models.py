"""``jackfield models``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from jackfield.cli.door import Door, confirmed, human_number, human_size
from jackfield.cli.load_flags import Force, Option, load_options
from jackfield.errors import InvalidRequest, JackfieldError

if TYPE_CHECKING:
    from jackfield.catalog.downloads import Download
    from jackfield.catalog.model import CatalogModel
    from jackfield.forecast import Forecast

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(metavar="MODEL")]
Loader = Annotated[str, typer.Option(help="Loader; empty: the best match")]


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Models on this computer, and more of them.")
    cli.add_typer(group, name="models")
    _add_listing(group, door)
    _add_fetching(group, door)
    _add_loading(group, door)


def _add_listing(group: typer.Typer, door: Door) -> None:
    @group.command("list")
    def list_(as_json: Json = False) -> None:
        """Models on this computer."""
        _list(door, as_json=as_json)

    @group.command()
    def show(model: Name, as_json: Json = False) -> None:
        """All that a model's files say."""
        found = _described(door, door.app.catalog.find(model))
        if as_json:
            door.json(found)
            return
        for key, value in found.items():
            if value not in ("", None, 0):
                door.screen.print(f"[bold]{key}[/bold]: ", end="")
                door.screen.print(str(value), markup=False)

    @group.command()
    def estimate(
        model: Name, loader: Loader = "", option: Option = None, as_json: Json = False
    ) -> None:
        """How a model would be loaded, and the memory that needs, against what is free."""
        found = door.app.engine.forecast(model, loader=loader, options=load_options(option))
        _print_forecast(door, found, as_json=as_json)


def _list(door: Door, *, as_json: bool) -> None:
    from jackfield.cli.running_server import loaded_models

    models = door.app.catalog.scan()
    loaded = loaded_models(door.paths)
    if as_json:
        door.json([{**_described(door, one), "loaded": one.name in loaded} for one in models])
        return
    rows = [
        (
            model.name,
            human_size(model.size),
            human_number(model.parameters),
            model.quantization,
            f"{model.context_length:,}" if model.context_length else "",
            model.architecture,
            "broken" if model.error else _loader(door, model)[0],
            "yes" if model.name in loaded else "",
        )
        for model in models
    ]
    heads = (
        "name",
        "size",
        "parameters",
        "quantization",
        "context",
        "architecture",
        "loader",
        "loaded",
    )
    door.table(rows, heads, "No model is here yet. Fetch one: jackfield models pull smollm2")
    for model in models:
        if model.error:
            door.side.print(f"{model.name}: {model.error}", style="yellow", markup=False)


def _add_fetching(group: typer.Typer, door: Door) -> None:
    @group.command()
    def pull(
        model: Annotated[str, typer.Argument(help="What to fetch; empty: what there is")] = "",
        as_json: Json = False,
    ) -> None:
        """Fetch a model, or list those that can be fetched."""
        downloads = door.app.downloads
        if not model and as_json:
            door.json([{"source": source, **_plain(offer)} for source, offer in downloads.offers()])
            return
        if not model:
            rows = [
                (offer.name, human_size(offer.size), offer.license, offer.title, offer.description)
                for _, offer in downloads.offers()
            ]
            heads = ("name", "size", "license", "title", "about")
            door.table(rows, heads, "No plugin offers models.")
            return
        source, offer = downloads.find_offer(model)
        fetched = _fetch(door, source, offer.name)
        if as_json:
            door.json(_described(door, fetched))
        door.side.print(f"{fetched.name} is here. Try: jackfield run {fetched.name} 'Hello'")

    @group.command()
    def remove(
        model: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False
    ) -> None:
        """Delete a model's files."""
        from jackfield.cli.running_server import loaded_models

        found = door.app.catalog.find(model)
        if found.name in loaded_models(door.paths):
            raise InvalidRequest(
                f"The model {found.name!r} is loaded in the running server.",
                hint=f"Unload it first: jackfield models unload {found.name}",
            )
        confirmed(f"Delete {found.name} ({human_size(found.size)})?", yes=yes)
        door.app.catalog.remove(found.name)
        door.side.print(f"{found.name} is deleted.")


def _add_loading(group: typer.Typer, door: Door) -> None:
    @group.command()
    def load(
        model: Name,
        loader: Loader = "",
        option: Option = None,
        force: Force = False,
    ) -> None:
        """Load a model in the running server."""
        from urllib.parse import quote

        from jackfield.cli.running_server import RunningServer

        name = door.app.catalog.find(model).name
        sent = {"loader": loader, "options": load_options(option), "force": force}
        server = RunningServer(door.paths)
        with door.side.status(f"Loading {name}"):
            got = server.post(f"/api/models/{quote(name, safe='')}/load?wait=true", sent)
        door.side.print(f"{name} is loaded with {got['loader']}, {human_size(got['memory'])}.")
        for reason in (f"{got['loader']}: {got['loader_reason']}.", *got["reasons"]):
            door.side.print(f"  {reason}", markup=False, highlight=False)

    @group.command()
    def unload(model: Name) -> None:
        """Unload a model in the running server, and show the memory that came back."""
        from urllib.parse import quote

        from jackfield.cli.running_server import RunningServer

        name = door.app.catalog.find(model).name
        got = RunningServer(door.paths).post(f"/api/models/{quote(name, safe='')}/unload")
        before, after = human_size(got["before"]), human_size(got["after"])
        door.side.print(f"{name} is unloaded: {before} before, {after} after.")


def _fetch(door: Door, source: str, offer: str) -> CatalogModel:
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
    with Progress(*columns, console=door.side) as progress:
        bars: dict[str, Any] = {}

        def show(job: Download) -> None:
            stage = job.stage or "waiting"
            if stage not in bars:
                bars[stage] = progress.add_task(f"{offer}: {stage}", total=job.total or None)
            progress.update(bars[stage], completed=job.done, total=job.total or None)

        return door.app.downloads.run(source, offer, show)


def _described(door: Door, model: CatalogModel) -> dict[str, Any]:
    loader, reason = ("", "") if model.error else _loader(door, model)
    return {
        "name": model.name,
        "format": model.format,
        "size": model.size,
        "architecture": model.architecture,
        "parameters": model.parameters,
        "quantization": model.quantization,
        "context_length": model.context_length,
        "license": model.license,
        "source": model.source,
        "loader": loader,
        "loader_reason": reason,
        "path": str(model.path),
        "chat_template": bool(model.chat_template),
        "error": model.error,
    }


def _loader(door: Door, model: CatalogModel) -> tuple[str, str]:
    """The loader that would open a model and why, or why none can be said."""
    try:
        loader, match = door.app.engine.choose_loader(model)
    except JackfieldError as error:
        return "?", error.message
    return loader.name, match.reason


def _print_forecast(door: Door, found: Forecast, *, as_json: bool) -> None:
    plan, needed = found.plan, found.plan.estimate
    if as_json:
        about: dict[str, Any] = {"loader": plan.loader.name, "loader_reason": plan.match.reason}
        about |= {"reasons": plan.settled.reasons, "needed": needed, "total": needed.total}
        about |= {"by_device": plan.needs, "free": found.free}
        door.json(about | {"outcome": found.outcome, "refusal": found.refusal})
        return
    parts = [needed, *needed.elsewhere]
    rows = [
        ("weights", sum(one.weights for one in parts)),
        ("KV cache", sum(one.kv_cache for one in parts)),
        ("overhead", sum(one.overhead for one in parts)),
        ("together", needed.total),
    ]
    for device, need in plan.needs.items():
        rows += [(f"on {device}", need)] if len(plan.needs) > 1 else []
        rows += [(f"free on {device}", found.free[device])] if device in found.free else []
    for what, size in rows:
        door.screen.print(f"{what:<15} {human_size(size):>10}", markup=False, highlight=False)
    for reason in (f"{plan.loader.name}: {plan.match.reason}.", *plan.settled.reasons):
        door.screen.print(reason, markup=False, highlight=False)
    if found.outcome != "fits":
        told = found.refusal or "Other models are unloaded, or waited for, to make room."
        door.screen.print(told, markup=False, highlight=False, style="yellow")


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(struct)
    return plain
