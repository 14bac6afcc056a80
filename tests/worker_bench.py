"""Workers and engines with fake models, for tests; everything bounded in time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from jackfield.catalog.catalog import Catalog
from jackfield.engine import Engine
from jackfield.environments import Environments
from jackfield.loader import Loader, ModelFiles, Prompt, Token
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.sampling import SamplingParams
from jackfield.settings_store import SettingsStore
from jackfield.testing import FakeLoader, FakePlugin, fake_model
from jackfield.worker.host import Launch, Worker
from jackfield.worker.log import ModelLog
from jackfield.worker.memory import Limits
from jackfield.worker.reference import LoaderReference

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], seconds: float = 90) -> T:
    async def bounded() -> T:
        return await asyncio.wait_for(work, seconds)

    return asyncio.run(bounded())


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def launch(
    folder: Path,
    *,
    loader: Loader | None = None,
    limits: Limits | None = None,
    expected: int = 0,
    options: dict[str, Any] | None = None,
    **behaviour: Any,
) -> Launch:
    path = fake_model(folder, "model", **behaviour)
    return Launch(
        model="model",
        loader=LoaderReference.of(loader or FakeLoader()),
        files=ModelFiles(path, "fake", path.stat().st_size),
        options=options or {},
        log=ModelLog(folder, "model"),
        limits=limits or Limits(),
        expected=expected,
    )


@asynccontextmanager
async def working(folder: Path, **arguments: Any) -> AsyncIterator[Worker]:
    """A worker that has loaded a fake model."""
    worker = Worker(launch(folder, **arguments))
    await worker.start()
    try:
        yield worker
    finally:
        await worker.close()


async def tokens(worker: Any, text: str = "hi", **sampling: Any) -> list[Token]:
    stream = worker.complete(Prompt(text), SamplingParams(**sampling))
    return [token async for token in stream]


async def said(worker: Any, text: str = "hi", **sampling: Any) -> str:
    return "".join(token.text for token in await tokens(worker, text, **sampling))


class Bench:
    """An engine over a clean data folder."""

    def __init__(self, paths: Paths, **arguments: Any) -> None:
        self.paths = paths
        self.settings = SettingsStore(paths)
        self.plugins = PluginManager(paths, self.settings, entry_points=[])
        self.plugins.register("fake", FakePlugin)
        self.catalog = Catalog(paths, self.settings, self.plugins)
        self.engine = Engine(
            self.catalog,
            self.plugins,
            self.settings,
            paths,
            Environments(paths, self.settings),
            **arguments,
        )

    def model(self, name: str, **behaviour: Any) -> Path:
        return fake_model(self.paths.models, name, **behaviour)

    async def __aenter__(self) -> "Bench":
        await self.engine.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.stop()
