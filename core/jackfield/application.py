"""The application object: everything is built here once and handed down."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from importlib.metadata import EntryPoint, version
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from jackfield.catalog.catalog import Catalog
from jackfield.catalog.downloads import Downloads
from jackfield.environment_jobs import EnvironmentJobs
from jackfield.environments import Environments
from jackfield.errors import HomeInUse, JackfieldError
from jackfield.isolation import Isolations
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.sampling import SamplingParams
from jackfield.settings_store import SettingsStore

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from jackfield.conversations import Conversations
    from jackfield.embedding import Embedding
    from jackfield.engine import Engine
    from jackfield.jobs import Jobs
    from jackfield.model_settings import SavedSettings
    from jackfield.pipeline import Pipeline
    from jackfield.templates.templates import Templates
    from jackfield.trace import TraceStore


PATIENCE = 5.0
"""Seconds that replies have to be saved when the application ends."""


class Application:
    """One Jackfield over one data folder: the same object behind dashboard, API and CLI.

    Parts that only some doors use are made when first asked for.
    """

    def __init__(self, paths: Paths, *, entry_points: Iterable[EntryPoint] | None = None) -> None:
        self.paths = paths
        self.version = version("jackfield")
        self.started_at = time.time()
        self.settings = SettingsStore(paths)
        self.server_at_start = self.settings.value.server
        self.plugins = PluginManager(paths, self.settings, entry_points=entry_points)
        self.catalog = Catalog(paths, self.settings, self.plugins)
        self.environments = Environments(paths, self.settings)
        self.environment_jobs = EnvironmentJobs(self.environments, self.plugins, Isolations(paths))
        self.downloads = Downloads(paths, self.catalog, self.plugins)
        self._portal: BlockingPortal | None = None

    @classmethod
    def create(
        cls, paths: Paths | None = None, *, entry_points: Iterable[EntryPoint] | None = None
    ) -> Application:
        """Build an application and discover its plugins; nothing is started.

        Args:
            paths: the data folder; the user's own if not given.
            entry_points: plugins to discover in place of the installed ones.

        Raises:
            SettingsError: the settings file cannot be read.
            JackfieldError: the data folder cannot be made.
        """
        paths = paths or Paths.default()
        try:
            paths.make()
        except OSError as error:
            raise JackfieldError(
                f"The data folder {str(paths.home)!r} cannot be made: {error.strerror}.",
                hint="Choose another with --home or the JACKFIELD_HOME variable.",
            ) from error
        app = cls(paths, entry_points=entry_points)
        app.plugins.discover()
        return app

    @cached_property
    def engine(self) -> Engine:
        """Models in memory."""
        from jackfield.engine import Engine  # asyncio and what workers need

        return Engine(self.catalog, self.plugins, self.settings, self.paths, self.environments)

    @cached_property
    def model_settings(self) -> SavedSettings:
        """What is saved for single models."""
        from jackfield.model_settings import SavedSettings

        return SavedSettings(self.catalog, self.plugins, self.settings)

    @cached_property
    def conversations(self) -> Conversations:
        """Chats, in the database."""
        from jackfield.conversations import Conversations  # SQLAlchemy is slow to import

        return Conversations(f"sqlite:///{self.paths.database}")

    @cached_property
    def traces(self) -> TraceStore:
        """What plugins did to the latest turns."""
        from jackfield.trace import TraceStore

        return TraceStore(lambda: self.conversations)

    @cached_property
    def templates(self) -> Templates:
        """Chat templates: the model's own and named ones."""
        from jackfield.templates.templates import Templates  # Jinja

        return Templates(self.plugins)

    @cached_property
    def pipeline(self) -> Pipeline:
        """From a turn to a stream of events."""
        from jackfield.pipeline import Pipeline

        return Pipeline(
            self.plugins,
            self.engine,
            self.templates,
            lambda: self.conversations,
            self.traces,
            self.settings,
        )

    @cached_property
    def embedding(self) -> Embedding:
        """Embeddings and rankings by models."""
        from jackfield.embedding import Embedding

        return Embedding(self.engine, self.catalog)

    @cached_property
    def jobs(self) -> Jobs:
        """Replies being written, whoever is looking."""
        from jackfield.jobs import Jobs

        return Jobs(self.pipeline, lambda: self.portal)

    @property
    def portal(self) -> BlockingPortal:
        """Calls coroutines of the running application from other threads.

        Raises:
            RuntimeError: the application is not running.
        """
        if self._portal is None:
            raise RuntimeError("the application is not running: enter Application.running() first")
        return self._portal

    @asynccontextmanager
    async def running(self, *, serve: bool = False) -> AsyncIterator[Application]:
        """Run the engine and the plugins' life hooks; end all workers on the way out.

        Args:
            serve: be the one server of the data folder.

        Raises:
            HomeInUse: another server has it.
        """
        from anyio.from_thread import BlockingPortal

        with self._lock() if serve else _nothing():
            # entered and left by hand: a task group would wrap errors of the caller in a group
            SamplingParams.model_rebuild()  # before threads ask for it at the same time
            portal = BlockingPortal()
            await portal.__aenter__()
            self._portal = portal
            await self.engine.start()
            await anyio.to_thread.run_sync(self.downloads.clean)
            try:
                self.plugins.life("started", app=self)
                yield self
            finally:
                await self._stop_jobs()
                await self.engine.stop()
                await anyio.to_thread.run_sync(self.downloads.close)
                self.plugins.life("stopped")
                self._portal = None
                await portal.__aexit__(None, None, None)

    async def _stop_jobs(self) -> None:
        """End replies that are being written, so that they are saved as stopped, not as failed."""
        if "jobs" not in vars(self):
            return
        self.jobs.stop()
        with anyio.move_on_after(PATIENCE):
            while self.jobs.running():
                await anyio.sleep(0.02)

    @contextmanager
    def in_thread(self) -> Iterator[Application]:
        """The same for synchronous callers: the event loop runs in a thread of its own."""
        from anyio.from_thread import start_blocking_portal

        with start_blocking_portal() as portal:
            context = portal.wrap_async_context_manager(self.running())
            context.__enter__()
            try:
                yield self
            finally:
                context.__exit__(None, None, None)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the data folder, and set right what a killed server left."""
        import filelock

        lock = filelock.FileLock(self.paths.lock)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            raise self._in_use() from error
        try:
            self.conversations.recover()
            yield
        finally:
            self.paths.server.unlink(missing_ok=True)
            lock.release()

    def _in_use(self) -> HomeInUse:
        try:
            other = json.loads(self.paths.server.read_text())
        except (OSError, ValueError):
            other = {}
        where = f" at {other['url']} (process {other['pid']})" if "url" in other else ""
        return HomeInUse(
            f"Another Jackfield server{where} uses the data folder {str(self.paths.home)!r}.",
            hint="Use that one, stop it, or start this one with another --home.",
            pid=other.get("pid"),
            url=other.get("url"),
        )


@contextmanager
def _nothing() -> Iterator[None]:
    yield
