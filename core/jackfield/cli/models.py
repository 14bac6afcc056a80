"""``jackfield models``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from jackfield.cli.door import Door, confirmed, human_number, human_size
from jackfield.cli.fetching import add_fetching
from jackfield.cli.load_flags import Force, Option, load_options
from jackfield.cli.model_description import described, loader_of
from jackfield.cli.model_settings import add_model_settings
from jackfield.errors import InvalidRequest

if TYPE_CHECKING:
    from jackfield.forecast import Forecast

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(metavar="MODEL")]
Loader = Annotated[str, typer.Option(help="Loader; empty: the best match")]


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Models on this computer, and more of them.")
    cli.add_typer(group, name="models")
    _add_listing(group, door)
    add_fetching(group, door)
    _add_removing(group, door)
    _add_loading(group, door)
    add_model_settings(group, door)


def _add_listing(group: typer.Typer, door: Door) -> None:
    @group.command("list")
    def list_(as_json: Json = False) -> None:
        """Models on this computer."""
        _list(door, as_json=as_json)

    @group.command()
    def show(model: Name, as_json: Json = False) -> None:
        """All that a model's files say."""
        found = described(door, door.app.catalog.find(model))
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
        door.json([{**described(door, one), "loaded": one.name in loaded} for one in models])
        return
    rows = [
        (
            model.name,
            human_size(model.size),
            human_number(model.parameters),
            model.quantization,
            f"{model.context_length:,}" if model.context_length else "",
            model.architecture,
            "broken" if model.error else loader_of(door, model)[0],
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


def _add_removing(group: typer.Typer, door: Door) -> None:
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
