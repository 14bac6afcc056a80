"""``jackfield plugins``: what is installed, and whether it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from jackfield.cli.door import Door, confirmed
from jackfield.errors import JackfieldError

if TYPE_CHECKING:
    from jackfield.installer import Installer
    from jackfield.manager import PluginManager
    from jackfield.plugin_record import PluginRecord

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(metavar="PLUGIN")]
COLOURS = {"enabled": "green", "disabled": "dim", "set aside": "red"}
NETWORK = {
    "none": "no network",
    "download": "network for downloads you ask for",
    "runtime": "network while it runs",
}


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Install, switch and configure plugins.")
    cli.add_typer(group, name="plugins")
    _add_listing(group, door)
    _add_switching(group, door)
    _add_configuring(group, door)
    _add_installing(group, door)


def _add_listing(group: typer.Typer, door: Door) -> None:
    @group.command("list")
    def list_(as_json: Json = False) -> None:
        """All plugins, those that are set aside with the reason."""
        records = door.app.plugins.records()
        if as_json:
            door.json(records)
            return
        rows = [
            (one.name, one.state, one.version, one.distribution or one.origin, one.description)
            for one in records
        ]
        door.table(rows, ("name", "state", "version", "from", "about"), "No plugin is installed.")
        for one in records:
            if one.state == "set aside":
                door.side.print(f"\n{one.name}: {one.error}", style="red", markup=False)
                door.side.print(one.advice, markup=False)
        for conflict in door.app.plugins.conflicts():
            if conflict.chosen not in conflict.owners:
                owners = " and ".join(conflict.owners)
                door.side.print(f"\n{conflict.what} is offered by {owners}: choose one of them:")
                for owner in conflict.owners:
                    door.side.print(f"  jackfield plugins choose {conflict.what} {owner}")

    @group.command()
    def show(plugin: Name, as_json: Json = False) -> None:
        """One plugin: what it does, touches and is set to."""
        record = door.app.plugins.record(plugin)
        if as_json:
            door.json(record)
            return
        _show(door, record)


def _show(door: Door, record: PluginRecord) -> None:
    reach = record.reach
    lines = {
        "state": record.state,
        "about": record.description,
        "from": f"{record.distribution} {record.version}".strip() or record.path,
        "error": record.error,
        "advice": record.advice,
        "touches": ", ".join([NETWORK[reach.network], *reach.hosts, *reach.files]),
        "hooks": ", ".join(hook.removeprefix("jackfield_") for hook in record.hooks),
        "import": f"{record.load_ms:.0f} ms" if record.load_ms else "",
    }
    for key, value in lines.items():
        if value:
            door.screen.print(f"[bold]{key}[/bold]: ", end="")
            door.screen.print(value, markup=False)
    for name, field in record.config_schema.get("properties", {}).items():
        setting = record.config.get(name)
        door.screen.print(f"  {name} = {setting!r}  {field.get('description', '')}", markup=False)


def _add_switching(group: typer.Typer, door: Door) -> None:
    @group.command()
    def enable(plugin: Name) -> None:
        """Switch a plugin on, or try one again that was set aside."""
        record = door.app.plugins.enable(plugin)
        if record.state == "set aside":
            raise JackfieldError(f"{plugin} is still set aside: {record.error}", hint=record.advice)
        door.side.print(f"{plugin} is enabled.")

    @group.command()
    def disable(plugin: Name) -> None:
        """Switch a plugin off, without importing it."""
        _manager(door).disable(plugin)
        door.side.print(f"{plugin} is disabled.")

    @group.command()
    def order(plugins: Annotated[list[str], typer.Argument(metavar="PLUGIN...")]) -> None:
        """Make plugins run in this order; the others come after them."""
        door.app.plugins.set_order(plugins)
        door.side.print("They run in this order now.")

    @group.command()
    def choose(
        what: Annotated[str, typer.Argument(help="For example loader:gguf")], plugin: Name
    ) -> None:
        """Say which plugin may, where several offer the same."""
        door.app.plugins.choose(what, plugin)
        door.side.print(f"{what} comes from {plugin} now.")


def _add_configuring(group: typer.Typer, door: Door) -> None:
    @group.command()
    def configure(
        plugin: Name,
        values: Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]...")] = None,
        reset: Annotated[bool, typer.Option("--reset", help="Its author's options")] = False,
    ) -> None:
        """Change a plugin's options; they take effect at once."""
        from jackfield.cli.config import parsed

        manager = door.app.plugins
        if reset:
            manager.reset(plugin)
        elif values:
            changed: dict[str, Any] = {}
            for word in values:
                name, equals, text = word.partition("=")
                if not equals:
                    raise JackfieldError(f"{word!r} is not of the form NAME=VALUE.")
                changed[name] = parsed(text)
            manager.configure(plugin, changed)
        _show(door, manager.record(plugin))


def _add_installing(group: typer.Typer, door: Door) -> None:
    @group.command()
    def install(
        package: Annotated[str, typer.Argument(help="A package's name, or a folder")],
        editable: Annotated[bool, typer.Option("--editable", "-e", help="For authors")] = False,
        upgrade: Annotated[bool, typer.Option("--upgrade", help="To a newer version")] = False,
        isolated: Annotated[
            bool, typer.Option("--isolated", help="What it needs goes into an environment")
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    ) -> None:
        """Install a plugin with pip, after showing what would change."""
        installer = _installer(door, door.app.plugins)
        with door.side.status("Looking what it needs"):
            plan = installer.plan(package, editable=editable, upgrade=upgrade, isolated=isolated)
        for change in plan.changes:
            moved = f"{change.old} → {change.new}" if change.old else change.new
            door.side.print(f"  {change.name} {moved}", markup=False)
        if isolated:
            holds = ", ".join(plan.requirements) or "nothing but what a worker needs"
            door.side.print(f"  in an environment of its own: {holds}", markup=False)
        confirmed("Install this?", yes=yes)
        records = installer.install(
            package,
            editable=editable,
            upgrade=upgrade,
            isolated=isolated,
            plan=plan,
            progress=lambda line: door.side.print(line, style="dim", markup=False),
        )
        for record in records:
            door.side.print(f"{record.name} is {record.state}. {record.error}", markup=False)
        _tell_server(door)

    @group.command()
    def uninstall(
        plugin: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False
    ) -> None:
        """Remove a plugin, without importing it."""
        manager = _manager(door)
        manager.record(plugin)
        confirmed(f"Remove the plugin {plugin}?", yes=yes)
        done = _installer(door, manager).uninstall(
            plugin, progress=lambda line: door.side.print(line, style="dim", markup=False)
        )
        door.side.print(done, markup=False)
        _tell_server(door)


def _tell_server(door: Door) -> None:
    """Let a running server look for what has come or gone."""
    from jackfield.cli.running_server import RunningServer

    if door.paths.server.exists():
        RunningServer(door.paths).post("/api/plugin-discovery")


def _manager(door: Door) -> PluginManager:
    """A manager that has imported nothing."""
    if door.has_app:
        return door.app.plugins
    from jackfield.manager import PluginManager
    from jackfield.settings_store import SettingsStore

    door.paths.make()
    manager = PluginManager(door.paths, SettingsStore(door.paths))
    manager.discover(load=False)
    return manager


def _installer(door: Door, manager: PluginManager) -> Installer:
    from jackfield.installer import Installer
    from jackfield.settings_store import SettingsStore

    settings = door.app.settings if door.has_app else SettingsStore(door.paths)
    return Installer(door.paths, settings, manager)
