"""``/api/plugins``: what is installed, and what is done with it."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field

from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.structs import model_of
from jackfield.application import Application
from jackfield.plugin_record import Conflict, PluginRecord

router = APIRouter(prefix="/api", tags=["plugins"], responses={404: {"model": ErrorResponse}})

Record = model_of(PluginRecord)


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


class Uninstalled(BaseModel):
    """What was done."""

    message: str


@router.get("/plugins", response_model=list[Record])
def list_plugins(app: App) -> Any:
    """All plugins in their order, those that are set aside with the reason."""
    return [msgspec.to_builtins(one) for one in app.plugins.records()]


@router.post("/plugins", response_model=list[Record], status_code=201)
def install_plugin(sent: Install, app: App) -> Any:
    """Install a plugin with pip; it is enabled at once. Answers with the plugins it brought."""
    from jackfield.installer import Installer

    installer = Installer(app.paths, app.settings, app.plugins)
    brought = installer.install(sent.spec, upgrade=sent.upgrade, progress=lambda line: None)
    return [msgspec.to_builtins(one) for one in brought]


@router.put("/plugin-order", response_model=list[Record])
def order_plugins(sent: Order, app: App) -> Any:
    """Set the order in which plugins run."""
    app.plugins.set_order(sent.names)
    return list_plugins(app)


@router.get("/plugin-conflicts", response_model=list[model_of(Conflict)])
def conflicts(app: App) -> Any:
    """What several plugins offer and only one may."""
    return [msgspec.to_builtins(one) for one in app.plugins.conflicts()]


@router.post("/plugin-conflicts", response_model=list[model_of(Conflict)])
def choose(sent: Choice, app: App) -> Any:
    """Answer a conflict; the choice is kept."""
    app.plugins.choose(sent.what, sent.owner)
    return conflicts(app)


@router.get("/plugins/{plugin}", response_model=Record)
def get_plugin(plugin: str, app: App) -> Any:
    """One plugin, with its options and their JSON schema; secrets are not told."""
    return _record(plugin, app)


@router.delete("/plugins/{plugin}", response_model=Uninstalled)
def uninstall_plugin(plugin: str, app: App) -> Any:
    """Uninstall a plugin's package, or remove its file."""
    from jackfield.installer import Installer

    installer = Installer(app.paths, app.settings, app.plugins)
    return Uninstalled(message=installer.uninstall(plugin, progress=lambda line: None))


@router.post("/plugins/{plugin}/enable", response_model=Record)
def enable_plugin(plugin: str, app: App) -> Any:
    """Switch a plugin on, now and from now on."""
    app.plugins.enable(plugin)
    return _record(plugin, app)


@router.post("/plugins/{plugin}/disable", response_model=Record)
def disable_plugin(plugin: str, app: App) -> Any:
    """Switch a plugin off, now and from now on."""
    app.plugins.disable(plugin)
    return _record(plugin, app)


@router.patch("/plugins/{plugin}/config", response_model=Record)
def configure_plugin(plugin: str, values: dict[str, Any], app: App) -> Any:
    """Change some of a plugin's options, at once. Empty secrets stay; null removes one."""
    app.plugins.configure(plugin, values)
    return _record(plugin, app)


@router.post("/plugins/{plugin}/clear-failures", response_model=Record)
def clear_failures(plugin: str, app: App) -> Any:
    """Forget a plugin's failures."""
    app.plugins.clear_failures(plugin)
    return _record(plugin, app)


def _record(plugin: str, app: Application) -> Any:
    return msgspec.to_builtins(app.plugins.record(plugin))
