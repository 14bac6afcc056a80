"""``/api/plugins``: what is installed, and what is done with it."""

from __future__ import annotations

from typing import Any, TypeAlias

from fastapi import APIRouter
from pydantic import BaseModel, Field

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import Shown
from jackfield.plugin_record import Conflict, PluginRecord

router = APIRouter(prefix="/api", tags=["plugins"], responses={404: {"model": ErrorResponse}})

Record: TypeAlias = Shown[PluginRecord]


class Order(BaseModel):
    """Plugins in the order in which they run."""

    names: list[str] = Field(description="Those that are not named come after, by name")


class Choice(BaseModel):
    """The answer to a conflict."""

    what: str = Field(description="What several plugins offer, e.g. 'loader:gguf'")
    owner: str = Field(description="The plugin that may")


class Install(BaseModel):
    """What to install."""

    spec: str = Field(description="What pip is to install: a name, a folder, a file or an address")
    upgrade: bool = Field(False, description="Take the newest version of what is here already")
    isolated: bool = Field(
        False,
        description="Put what it needs into an environment of its own, where its models then run; "
        "`/api/environments` tells how far it is",
    )


class Uninstalled(BaseModel):
    """What was done."""

    message: str


@router.get("/plugins")
def list_plugins(app: App) -> list[Record]:
    """All plugins in their order, those that are set aside with the reason."""
    return app.plugins.records()


@router.post("/plugins", status_code=201)
def install_plugin(sent: Install, app: App) -> list[Record]:
    """Install a plugin with pip; it is enabled at once. Answers with the plugins it brought."""
    from jackfield.installer import Installer

    installer = Installer(app.paths, app.settings, app.plugins)
    return installer.install(
        sent.spec, upgrade=sent.upgrade, isolated=sent.isolated, progress=lambda line: None
    )


@router.post("/plugin-discovery")
def discover_plugins(app: App) -> list[Record]:
    """Look for plugins that were installed or removed by others, without a restart."""
    app.plugins.discover()
    return list_plugins(app)


@router.put("/plugin-order")
def order_plugins(sent: Order, app: App) -> list[Record]:
    """Set the order in which plugins run."""
    app.plugins.set_order(sent.names)
    return list_plugins(app)


@router.get("/plugin-conflicts")
def conflicts(app: App) -> list[Shown[Conflict]]:
    """What several plugins offer and only one may."""
    return app.plugins.conflicts()


@router.post("/plugin-conflicts")
def choose(sent: Choice, app: App) -> list[Shown[Conflict]]:
    """Answer a conflict; the choice is kept."""
    app.plugins.choose(sent.what, sent.owner)
    return conflicts(app)


@router.get("/plugins/{plugin}")
def get_plugin(plugin: str, app: App) -> Record:
    """One plugin, with its options and their JSON schema; secrets are not told."""
    return app.plugins.record(plugin)


@router.delete("/plugins/{plugin}")
def uninstall_plugin(plugin: str, app: App) -> Uninstalled:
    """Uninstall a plugin's package, or remove its file."""
    from jackfield.installer import Installer

    installer = Installer(app.paths, app.settings, app.plugins)
    return Uninstalled(message=installer.uninstall(plugin, progress=lambda line: None))


@router.post("/plugins/{plugin}/enable")
def enable_plugin(plugin: str, app: App) -> Record:
    """Switch a plugin on, now and from now on."""
    return app.plugins.enable(plugin)


@router.post("/plugins/{plugin}/disable")
def disable_plugin(plugin: str, app: App) -> Record:
    """Switch a plugin off, now and from now on."""
    return app.plugins.disable(plugin)


@router.patch("/plugins/{plugin}/config")
def configure_plugin(plugin: str, values: dict[str, Any], app: App) -> Record:
    """Change some of a plugin's options, at once. Empty secrets stay; null removes one."""
    return app.plugins.configure(plugin, values)


@router.post("/plugins/{plugin}/clear-failures")
def clear_failures(plugin: str, app: App) -> Record:
    """Forget a plugin's failures."""
    app.plugins.clear_failures(plugin)
    return app.plugins.record(plugin)
