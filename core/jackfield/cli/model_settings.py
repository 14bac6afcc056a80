"""``jackfield models settings``, ``set`` and ``adapters``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from jackfield.cli.config import parsed
from jackfield.cli.door import Door, human_size
from jackfield.cli.load_flags import Option, load_options
from jackfield.errors import InvalidRequest

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(metavar="MODEL")]
Sampling = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Sampling parameter, for example temperature=0.2; may be given several times",
    ),
]
AdapterWords = Annotated[
    list[str] | None,
    typer.Option(
        "--adapter",
        metavar="PATH[=STRENGTH]",
        help="LoRA adapter that is attached at each load; may be given several times, and those "
        "given are all that are kept",
    ),
]
Unset = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD",
        help="Return a field to its default: alias, loader, options, options.n_ctx, template, "
        "system_prompt, sampling, sampling.top_p, adapters",
    ),
]


def add_model_settings(group: typer.Typer, door: Door) -> None:
    """Add the verbs."""
    _add_settings(group, door)
    _add_set(group, door)
    _add_adapters(group, door)


def _add_settings(group: typer.Typer, door: Door) -> None:
    @group.command()
    def settings(model: Name, as_json: Json = False) -> None:
        """What is saved for a model."""
        _show(door, door.app.catalog.find(model).name, as_json=as_json)


def _add_set(group: typer.Typer, door: Door) -> None:
    @group.command("set")
    def set_(
        model: Name,
        alias: Annotated[str | None, typer.Option(help="Another name for it")] = None,
        loader: Annotated[str | None, typer.Option(help="Loader; empty: the best match")] = None,
        option: Option = None,
        template: Annotated[
            str | None, typer.Option(help="Chat template; empty: the model's own")
        ] = None,
        system_prompt: Annotated[
            str | None, typer.Option(help="Agent description of chats that have none of their own")
        ] = None,
        sampling: Sampling = None,
        adapter: AdapterWords = None,
        unset: Unset = None,
        as_json: Json = False,
    ) -> None:
        """Save settings of a model, which all chats, the API and this command line then use."""
        texts = {
            "alias": alias,
            "loader": loader,
            "template": template,
            "system_prompt": system_prompt,
        }
        changes: dict[str, Any] = {name: text for name, text in texts.items() if text is not None}
        if adapter:
            changes["adapters"] = [_adapter(word) for word in adapter]
        for field, words in (("options", load_options(option)), ("sampling", _sampling(sampling))):
            if words:
                changes[field] = words
        for word in unset or ():
            _unset(changes, word)
        if not changes:
            raise InvalidRequest(
                "Nothing is named that is to change.", hint="Help: jackfield models set --help"
            )
        name = door.app.catalog.find(model).name
        door.app.model_settings.change(name, changes)
        _show(door, name, as_json=as_json)


def _add_adapters(group: typer.Typer, door: Door) -> None:
    @group.command()
    def adapters(
        model: Annotated[str, typer.Argument(metavar="[MODEL]", show_default=False)] = "",
        wanted: Annotated[
            list[str] | None,
            typer.Argument(metavar="[PATH[=STRENGTH]]...", help="Adapters to have, and no others"),
        ] = None,
        none: Annotated[bool, typer.Option("--none", help="Detach all")] = False,
        as_json: Json = False,
    ) -> None:
        """LoRA adapters here; of a model in the running server: show, attach or detach them."""
        if not model:
            _list_adapters(door, as_json=as_json)
            return
        if none and wanted:
            raise InvalidRequest("--none detaches all adapters.", hint="Leave it or them out.")
        from jackfield.cli.running_server import RunningServer

        name = door.app.catalog.find(model).name
        server, path = RunningServer(door.paths), f"/api/models/{quote(name, safe='')}/adapters"
        if wanted or none:
            sent = {"adapters": [_adapter(word) for word in wanted or ()]}
            got = server.put(path, sent)
        else:
            got = server.get(path)
        if as_json:
            door.json(got["adapters"])
            return
        for one in got["adapters"]:
            door.screen.print(f"{one['path']} = {one['scale']:g}", markup=False)
        if not got["adapters"]:
            door.side.print(f"{name} has no LoRA adapter attached.", markup=False)


def _list_adapters(door: Door, *, as_json: bool) -> None:
    found = door.app.catalog.adapters()
    if as_json:
        door.json(found)
        return
    rows = [
        (one.name, one.base, str(one.rank or ""), human_size(one.size), one.error or str(one.path))
        for one in found
    ]
    empty = f"No LoRA adapter is here yet. Put its folder into {str(door.paths.adapters)!r}."
    door.table(rows, ("name", "made for", "rank", "size", "where"), empty)


def _show(door: Door, name: str, *, as_json: bool) -> None:
    saved = door.app.model_settings.get(name)
    if as_json:
        door.json({"model": name, **saved.model_dump(mode="json")})
        return
    values = saved.model_dump(mode="json", exclude_defaults=True)
    if not values:
        door.side.print(f"Nothing is saved for {name}: all is at its defaults.", markup=False)
        return
    for field, value in values.items():
        inner = value if isinstance(value, dict) else {"": value}
        for key, one in inner.items():
            door.screen.print(f"{field}{'.' if key else ''}{key} = {one}", markup=False)


def _sampling(words: list[str] | None) -> dict[str, Any] | None:
    """``NAME=VALUE`` as sampling parameters."""
    if not words:
        return None
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise InvalidRequest(f"The sampling parameter {word!r} is not of the form NAME=VALUE.")
        values[name.replace("-", "_")] = parsed(text)
    return values


def _adapter(word: str) -> dict[str, Any]:
    """``PATH`` or ``PATH=STRENGTH``; a path is made whole, a name is left as it is."""
    path, equals, strength = word.rpartition("=")
    try:
        scale = float(strength) if equals else 1.0
    except ValueError:
        path, scale = word, 1.0  # an equals sign of the path's own
    path = path if equals and path else word
    here = Path(path).expanduser()
    return {"path": str(here.absolute()) if here.exists() else path, "scale": scale}


def _unset(changes: dict[str, Any], word: str) -> None:
    field, dot, inner = word.replace("-", "_").partition(".")
    field = {"option": "options", "adapter": "adapters"}.get(field, field)
    if not dot:
        changes[field] = None
    elif field in ("options", "sampling"):
        changes.setdefault(field, {})[inner] = None
    else:
        raise InvalidRequest(
            f"There is nothing in {field!r} to unset one by one.", hint=f"Write: --unset {field}"
        )
