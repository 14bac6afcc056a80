"""A source of models that does what a test tells it, and downloads from it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from gguf_files import small_gguf
from jackfield import ModelSource, Offer, Plugin, hookimpl
from jackfield.catalog.catalog import Catalog
from jackfield.catalog.downloads import Download, Downloads
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.settings_store import SettingsStore
from jackfield_loaders.gguf import Gguf

Fetch = Callable[[Path, Callable[[int, int, str], None], Callable[[], bool]], Path]


class Shelf(ModelSource):
    """A source whose ``fetch`` is the function each test gives it."""

    name = "shelf"
    title = "A shelf"

    def __init__(self, **fetches: Fetch) -> None:
        self.fetches = fetches
        self.size = 1000

    def offers(self) -> list[Offer]:
        return [
            Offer(name=name, title=name.title(), size=self.size, license="MIT")
            for name in self.fetches
        ]

    def fetch(
        self,
        offer: Offer,
        folder: Path,
        progress: Callable[[int, int, str], None],
        cancelled: Callable[[], bool],
    ) -> Path:
        return self.fetches[offer.name](folder, progress, cancelled)


def shelf_plugin(source: ModelSource) -> type[Plugin]:
    class ShelfPlugin(Plugin):
        @hookimpl
        def jackfield_model_sources(self) -> list[ModelSource]:
            return [source]

    return ShelfPlugin


def make(paths: Paths, source: ModelSource) -> Downloads:
    settings = SettingsStore(paths)
    plugins = PluginManager(paths, settings, entry_points=[])
    plugins.discover()
    plugins.register("gguf", Gguf)
    plugins.register("shelf", shelf_plugin(source))
    return Downloads(paths, Catalog(paths, settings, plugins), plugins)


def good(folder: Path, progress: object, cancelled: object) -> Path:
    return small_gguf(folder / "tiny.gguf")


def left(paths: Paths) -> list[Path]:
    """All that lies among the models, but for the empty folder where downloads work."""
    # os.walk passes over folders that go away meanwhile.
    return [
        Path(folder, name)
        for folder, folders, files in os.walk(paths.models)
        for name in (*folders, *files)
        if name != ".partial"
    ]


def nothing_left(paths: Paths) -> bool:
    until = time.monotonic() + 10
    while left(paths) and time.monotonic() < until:
        time.sleep(0.01)
    return not left(paths)


def ended(job: Download) -> Download:
    until = time.monotonic() + 30
    while job.state in ("queued", "running") and time.monotonic() < until:
        time.sleep(0.01)
    assert job.state not in ("queued", "running")
    return job


def raising(error: Exception) -> Fetch:
    def fetch(folder: Path, progress: object, cancelled: object) -> Path:
        small_gguf(folder / "half.gguf")
        raise error

    return fetch
