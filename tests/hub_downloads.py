"""Downloads from a local Hub, for tests."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from hub_server import HubServer
from jackfield import ModelSource, Retries
from jackfield.catalog.catalog import Catalog
from jackfield.catalog.downloads import Downloads
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.settings_store import SettingsStore
from jackfield_loaders.gguf import Gguf
from jackfield_loaders.transformers import Transformers
from jackfield_plugins.hub import HubSource
from jackfield_plugins.links import LinkSource
from model_shelf import shelf_plugin

QUICK = Retries(attempts=4, first=0.02, longest=0.1, obeyed=5.0, stall=5.0)
NAME = "owner/SmolLM2-135M-Instruct-GGUF"
HERE = "smollm2-135m-instruct-q4_1"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 98_362_432


def hub_source(hub: HubServer | str, token: str = "", **options: Any) -> HubSource:
    url = hub if isinstance(hub, str) else hub.url
    return HubSource(url, SecretStr(token), retries=QUICK, **options)


def downloads(paths: Paths, *sources: ModelSource) -> Downloads:
    settings = SettingsStore(paths)
    plugins = PluginManager(paths, settings, entry_points=[])
    plugins.discover()
    plugins.register("gguf", Gguf)
    plugins.register("transformers", Transformers)
    for source in sources:
        plugins.register(source.name, shelf_plugin(source))
    return Downloads(paths, Catalog(paths, settings, plugins), plugins)


def link_source() -> LinkSource:
    return LinkSource(retries=QUICK)


def partial_files(paths: Paths) -> list[Path]:
    return [one for one in (paths.models / ".partial").rglob("*") if one.is_file()]
