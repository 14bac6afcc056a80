"""Which models are in memory: loading, sharing, unloading, and what happens when one dies."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio.to_thread

from jackfield.adapters import Adapters
from jackfield.admission import Admission
from jackfield.announcer import Announcer
from jackfield.caretaker import Caretaker
from jackfield.catalog.catalog import Catalog
from jackfield.catalog.model import CatalogModel
from jackfield.environments import Environments
from jackfield.errors import JackfieldError, LoadFailed, NotFound
from jackfield.forecast import Forecast
from jackfield.load_plan import LoadPlan, Planner, Wish, revealed
from jackfield.loader import Loader, Match
from jackfield.machine import Machine
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.residency import Share
from jackfield.resident import Resident
from jackfield.restarts import Restarts
from jackfield.settings_store import SettingsStore
from jackfield.unloading import Unloading, UnloadReport
from jackfield.worker.host import Launch, Worker
from jackfield.worker.log import ModelLog
from jackfield.worker.reference import LoaderReference

__all__ = ["Engine", "Resident", "UnloadReport"]

_POLL = 0.05
_GRACE = 1.0  # seconds for each step of ending a worker when everything stops


class Engine:
    """The models in memory, each in a process of its own.

    ``residents``, ``resident``, ``forecast`` and ``choose_loader`` are for any thread; the rest,
    ``adapters`` among it, belongs to the event loop in which the engine was started.

    Args:
        catalog, plugins, settings, paths, environments: the application's.
        longest_wait: seconds that a load waits for memory that other models use.
        restarts: how often a model that dies is started again.
        machine: tells the computer's devices.
    """

    def __init__(
        self,
        catalog: Catalog,
        plugins: PluginManager,
        settings: SettingsStore,
        paths: Paths,
        environments: Environments,
        *,
        longest_wait: float = 300.0,
        restarts: Restarts | None = None,
        machine: Callable[[], Machine] = Machine.now,
    ) -> None:
        self._catalog = catalog
        self._plugins = plugins
        self._settings = settings
        self._paths = paths
        self._environments = environments
        self._machine = machine
        self._planner = Planner(catalog, plugins, settings, self._offered)
        self._admission = Admission(self._share, self._all, self._unload, longest_wait)
        self._restarts = restarts or Restarts()
        self._residents: dict[str, Resident] = {}
        self._leaving: set[Resident] = set()
        self._wishes: dict[str, Wish] = {}
        self._announcer = Announcer(plugins)
        self.adapters = Adapters(catalog, settings, self.resident, self.use)
        self._looking: asyncio.Task[None] | None = None
        self._running = False

    # For any thread

    def residents(self) -> list[Resident]:
        """Models that are loading, ready, being unloaded or failed."""
        return list(self._residents.values())

    def resident(self, model: str) -> Resident | None:
        """The resident of that name, or of that alias; None when it is not in memory."""
        found = self._residents.get(model)
        if found is None and self._residents:
            with contextlib.suppress(NotFound):
                found = self._residents.get(self._catalog.find(model).name)
        return found

    def forecast(
        self, model: str, *, loader: str = "", options: Mapping[str, Any] | None = None
    ) -> Forecast:
        """How a model would be loaded now: with what, why, what it needs, and whether it fits.

        Raises:
            JackfieldError: as for ``load``; not because it does not fit.
        """
        plan = self._planner.plan(model, loader, options)
        own, others = self._own(plan.entry.name)
        return Forecast.of(plan, self._share(), others, own)

    def choose_loader(self, entry: CatalogModel, loader: str = "") -> tuple[Loader, Match]:
        """The loader that would load a model, and why.

        Raises:
            LoadFailed: none opens it.
            PluginConflict: several do equally well and the user has not chosen.
        """
        return self._planner.choose_loader(entry, loader)

    # Life

    async def start(self) -> None:
        """Begin to look after the models."""
        self._announcer = Announcer(self._plugins)
        self._running = True
        caretaker = Caretaker(self._settings, self._share, self._all, self._unload)
        self._looking = asyncio.create_task(
            caretaker.work(self.residents), name="look after models"
        )

    async def stop(self) -> None:
        """End all workers, within seconds."""
        self._running = False
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await asyncio.gather(*(self._end(one, grace=_GRACE) for one in self._all()))
        await self._announcer.finish(_GRACE)
        self._residents.clear()
        self._wishes.clear()

    # Loading

    async def load(
        self,
        model: str,
        *,
        loader: str = "",
        options: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> Resident:
        """Load a model and wait until it is ready; concurrent callers share one load.

        A resident model stays as it is, unless a loader or options are given and differ: then it
        is loaded anew, once the requests that run have ended.

        Args:
            model: name or alias.
            loader: a loader's name; "" for the one in the settings, else the best match.
            options: load options, laid over those in the settings.
            force: load it though it is not expected to fit. What the computer needs for other
                programs is kept all the same: a worker that touches it is ended.

        Raises:
            ModelNotFound: there is no such model.
            LoadFailed: it does not fit, or could not be loaded.
            JackfieldError: whatever else the loader said.
        """
        plan = await anyio.to_thread.run_sync(self._planner.plan, model, loader, options)
        resident = self._wished(plan, Wish.of(loader, options, force))
        await resident.until_settled()
        return resident

    def begin_load(
        self,
        model: str,
        *,
        loader: str = "",
        options: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> Resident:
        """The same without waiting: the resident tells how it goes on.

        Raises:
            JackfieldError: as ``load``, where that is known at once.
        """
        plan = self._planner.plan(model, loader, options)
        return self._wished(plan, Wish.of(loader, options, force))

    @asynccontextmanager
    async def use(self, model: str) -> AsyncIterator[Resident]:
        """Use a model, loading it if necessary; it stays loaded meanwhile.

        Raises:
            JackfieldError: as ``load``.
        """
        resident = await self._taken(model)
        try:
            yield resident
        finally:
            resident.users -= 1
            resident.touch()

    async def unload(self, model: str) -> UnloadReport:
        """End a model's worker, loading or not; requests that run end with an error.

        Returns when the process is gone.

        Raises:
            NotFound: it is not in memory.
        """
        resident = self.resident(model)
        if resident is None:
            raise NotFound(
                f"Model {model!r} is not loaded.", hint="Loaded ones: jackfield models list"
            )
        self._wishes.pop(resident.model, None)
        self.adapters.forget(resident.model)
        self._restarts.forget(resident.model)
        return await self._unload(resident)

    # Inside

    def _all(self) -> list[Resident]:
        return [*self._residents.values(), *self._leaving]

    def _share(self) -> Share:
        return Share.now(self._settings.value.engine, self._machine)

    def _own(self, model: str) -> tuple[list[Resident], list[Resident]]:
        """The residents of a model, and all others."""
        everyone = self._all()
        own = [one for one in everyone if one.model == model]
        return own, [one for one in everyone if one.model != model]

    def _offered(self, model: str) -> Machine:
        """The computer with that much free as a model may take, which gives up what it has."""
        own, others = self._own(model)
        return self._share().offered(others, own)

    async def _taken(self, model: str) -> Resident:
        """A ready resident with one more user, so that nobody unloads it."""
        while True:
            resident = self._residents.get(model)
            if resident is None or not resident.usable:
                resident = await self._on_demand(model)
            resident.users += 1
            resident.touch()
            try:
                await resident.until_settled()
            except BaseException as error:
                resident.users -= 1
                now = self._residents.get(resident.model)
                replaced = now is not None and now is not resident and now.usable
                if replaced and isinstance(error, LoadFailed):
                    continue  # it was replaced by a load with other options
                raise
            return resident

    def _wished(self, plan: LoadPlan, wish: Wish) -> Resident:
        """Begin a load that the user asked for."""
        name = plan.entry.name
        self._restarts.forget(name)
        old = self._residents.get(name)
        if wish.special:
            self._wishes[name] = wish
        elif old is not None and old.usable:
            return old
        return self._begin(plan, force=wish.force)

    async def _on_demand(self, model: str) -> Resident:
        """Begin a load that a request asks for, as the user last wished it."""
        name = (await anyio.to_thread.run_sync(self._catalog.find, model)).name
        here = self._residents.get(name)
        if here is not None and here.usable:
            return here  # asked for by another name
        wish = self._wishes.get(name, Wish())
        plan = await anyio.to_thread.run_sync(self._planner.plan, name, wish.loader, wish.options)
        old = self._residents.get(name)  # looked up after the last await: others came first
        if old is not None and old.usable:
            return old
        return self._begin(plan, self._restarts.delay(name), force=wish.force)

    def _begin(self, plan: LoadPlan, delay: float = 0.0, *, force: bool = False) -> Resident:
        if not self._running:
            raise LoadFailed(f"Model {plan.entry.name!r} cannot be loaded: Jackfield is stopping.")
        name = plan.entry.name
        old = self._residents.get(name)
        if old is not None and old.usable and old.plan.same(plan):
            return old
        if not force:
            self._share().refuse_if_hopeless(plan, self._all())
        file = ModelLog(self._paths.logs, name)
        resident = self._residents[name] = Resident(plan, file.path, forced=force)
        if old is not None:
            self._leaving.add(old)
        resident.task = asyncio.create_task(self._bring(resident, file, delay), name=f"load {name}")
        return resident

    async def _bring(self, resident: Resident, file: ModelLog, delay: float) -> None:
        """Make a model ready, or failed."""
        name = resident.model
        try:
            await self._replace(resident)
            if delay:
                resident.step = f"waiting {delay:.0f} s after it ended"
                await asyncio.sleep(delay)
            python = await self._interpreter(resident)
            await self._admission.admit(resident)
            await self._start(resident, file, python)
        except asyncio.CancelledError:
            resident.fail(LoadFailed(f"Model {name!r} was unloaded before it was ready."))
            raise
        except JackfieldError as error:
            resident.fail(error)
        except Exception as error:
            resident.fail(LoadFailed(f"Model {name!r} could not be loaded: {error!r}"))
            if not isinstance(error, OSError):  # no process to be had; anything else is a defect
                raise

    async def _replace(self, resident: Resident) -> None:
        """Wait until nobody uses those that it replaces, and end them."""
        for old in self._replaced_by(resident):
            resident.step = "waiting for requests to end"
            while old.busy and old.state == "ready":
                await asyncio.sleep(_POLL)
            await self._end(old)

    async def _interpreter(self, resident: Resident) -> str:
        """The interpreter of a model's worker; an environment of its own is made if need be."""

        def tell(line: str) -> None:
            resident.step = f"making an environment: {line}"

        # A load that is cancelled meanwhile leaves the thread to finish: it is not in vain.
        made = partial(self._environments.interpreter, resident.plan.loader, tell)
        return await anyio.to_thread.run_sync(made, abandon_on_cancel=True)

    async def _start(self, resident: Resident, file: ModelLog, python: str) -> None:
        plan = resident.plan
        resident.memory_before_load = Unloading.begin(self._all()).memory_of_all()
        launch = Launch(
            model=resident.model,
            loader=LoaderReference.of(plan.loader),
            files=plan.entry.files,
            options=revealed(plan.settled.options),
            log=file,
            expected=plan.estimate.weights,
            limits=self._share().limits(resident, self._all()),
            python=python,
        )
        resident.worker = Worker(launch, partial(self._died, resident))
        began = time.monotonic()
        try:
            info = await resident.worker.start()
            await self.adapters.attach(resident)
        except JackfieldError:
            self._restarts.note(resident.model)
            raise
        resident.succeed(time.monotonic() - began)
        self._announcer.tell("model_loaded", model=resident.model, info=info)

    def _died(self, resident: Resident, death: JackfieldError) -> None:
        """A worker ended that nobody had ended."""
        if resident.state == "ready":
            self._restarts.note(resident.model)
            resident.fail(death)
            self._announcer.tell("model_unloaded", model=resident.model)

    async def _unload(self, resident: Resident) -> UnloadReport:
        unloading = Unloading.begin(self._all())
        ending = [resident]
        if self._residents.get(resident.model) is resident:
            ending += self._replaced_by(resident)  # those that a reload is waiting for
        await asyncio.gather(*(self._end(one) for one in ending))
        if self._residents.get(resident.model) is resident:
            del self._residents[resident.model]
        return unloading.report(resident)

    def _replaced_by(self, resident: Resident) -> list[Resident]:
        """Others of its model that are on their way out; first those that never were ready."""
        others = [one for one in self._leaving - {resident} if one.model == resident.model]
        return sorted(others, key=lambda one: one.state == "ready")

    async def _end(self, resident: Resident, *, grace: float = 2.0) -> None:
        """End a resident and wait until its process is gone; several may wait for the same."""
        was_ready = resident.state == "ready"
        if resident.state != "failed":
            resident.state = "unloading"
        task = resident.task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if resident.worker is not None and resident.worker.pid:
            await resident.worker.close(grace=grace)
        resident.admitted = False
        self._leaving.discard(resident)
        if was_ready:
            self._announcer.tell("model_unloaded", model=resident.model)
