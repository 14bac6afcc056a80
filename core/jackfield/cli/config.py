"""``jackfield config``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jackfield.cli.door import Door
from jackfield.errors import SettingsError

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Key = Annotated[str, typer.Argument(help="For example server.port")]


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Settings, and where things are kept.")
    cli.add_typer(group, name="config")

    @group.command()
    def show(as_json: Json = False) -> None:
        """All settings that differ from the defaults."""
        values = _store(door).value.model_dump(mode="json", exclude_defaults=not as_json)
        if as_json:
            door.json(values)
        elif not values:
            door.side.print("All settings are at their defaults.")
        else:
            import tomlkit

            typer.echo(tomlkit.dumps(values).strip())

    @group.command()
    def get(key: Key) -> None:
        """One setting."""
        value: Any = _store(door).value.model_dump(mode="json")
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise SettingsError(f"There is no setting {key!r}.", hint=ALL)
            value = value[part]
        if isinstance(value, str):
            typer.echo(value)
        else:
            door.json(value)

    @group.command("set")
    def set_(key: Key, value: Annotated[str, typer.Argument(help="As TOML, or text")]) -> None:
        """Change one setting."""
        _store(door).set(key, parsed(value))
        door.side.print(f"{key} is set.", markup=False)

    @group.command()
    def unset(key: Key) -> None:
        """Return one setting to its default."""
        _store(door).unset(key)
        door.side.print(f"{key} is at its default.", markup=False)

    @group.command()
    def path(
        models: Annotated[bool, typer.Option("--models", help="The models folder")] = False,
        plugins: Annotated[bool, typer.Option("--plugins", help="The plugins folder")] = False,
    ) -> None:
        """Where things are kept."""
        paths = door.paths
        folder = paths.models if models else paths.plugins if plugins else paths.home
        typer.echo(str(folder))

    @group.command()
    def reset() -> None:
        """Set the settings file aside and start with defaults."""
        from jackfield.settings_store import SettingsStore

        aside = SettingsStore.reset(door.paths)
        door.side.print(f"The old settings are kept in {aside}.", markup=False)


ALL = "All settings: jackfield config show --json"


def parsed(text: str) -> Any:
    """A value as TOML writes it (``8``, ``true``, ``["a"]``), else the text itself."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _store(door: Door) -> Any:
    from jackfield.settings_store import SettingsStore

    door.paths.make()
    return SettingsStore(door.paths)
