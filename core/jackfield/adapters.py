"""LoRA adapters of models in memory: attached and detached without a reload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import anyio.to_thread

from jackfield.catalog.adapters import found_adapter
from jackfield.catalog.catalog import Catalog
from jackfield.errors import InvalidRequest, JackfieldError, LoadFailed, NotFound
from jackfield.loader import Adapter
from jackfield.resident import Resident
from jackfield.settings import AdapterSettings, ModelSettings
from jackfield.settings_store import SettingsStore

Use: TypeAlias = Callable[[str], AbstractAsyncContextManager[Resident]]


class Adapters:
    """Which adapters are attached to which model; belongs to the engine's event loop.

    What was set last holds until the model is unloaded by the user, also when its worker is
    started again. Before anything is set, it is what is saved for the model.

    Args:
        catalog, settings: the application's.
        resident: the resident of a name, if there is one.
        use: keeps a resident loaded meanwhile.
    """

    def __init__(
        self,
        catalog: Catalog,
        settings: SettingsStore,
        resident: Callable[[str], Resident | None],
        use: Use,
    ) -> None:
        self._catalog = catalog
        self._settings = settings
        self._resident = resident
        self._use = use
        self._set: dict[str, tuple[Adapter, ...]] = {}

    async def set(self, model: str, adapters: Sequence[AdapterSettings]) -> Resident:
        """Attach these to a model in memory and detach all others, from its next request on.

        Raises:
            NotFound: the model is not in memory.
            InvalidRequest: there is no such adapter, or the model takes none.
            ModelFileError: an adapter is broken, or was made for another model.
        """
        resident = self._resident(model)
        if resident is None or not resident.usable:
            raise NotFound(
                f"Model {model!r} is not loaded, so no LoRA adapter can be attached to it now.",
                hint="Load it first. To have adapters attached at each load, save them in its "
                "settings: jackfield models set MODEL --adapter PATH",
            )
        found = await anyio.to_thread.run_sync(self._found, adapters)
        async with self._use(resident.model) as ready:
            _check(ready)
            await ready.set_adapters(found)
            self._set[ready.model] = found
        return ready

    async def attach(self, resident: Resident) -> None:
        """Attach what belongs to a model that was just loaded; where that fails, it is ended.

        Raises:
            LoadFailed: an adapter cannot be attached.
        """
        name = resident.model
        try:
            wanted = self._set.get(name)
            if wanted is None:
                kept = self._settings.value.models.get(name, ModelSettings()).adapters
                wanted = await anyio.to_thread.run_sync(self._found, kept) if kept else ()
            if wanted:
                _check(resident)
                await resident.set_adapters(wanted)
        except JackfieldError as error:
            if resident.worker is not None:
                await resident.worker.close(grace=0)
            raise LoadFailed(
                f"Model {name!r} was loaded, but its LoRA adapters cannot be attached: "
                f"{error.message}",
                hint=f"Load it without them: jackfield models set {name} --unset adapters",
            ) from error

    def forget(self, model: str) -> None:
        """What was set for a model holds no more."""
        self._set.pop(model, None)

    def _found(self, adapters: Sequence[AdapterSettings]) -> tuple[Adapter, ...]:
        known = self._catalog.adapters()
        return tuple(Adapter(found_adapter(one.path, known), one.scale) for one in adapters)


def _check(resident: Resident) -> None:
    can = resident.info.capabilities if resident.info is not None else frozenset()
    if "lora" not in can:
        raise InvalidRequest(
            f"The model {resident.model!r} takes no LoRA adapters as it is loaded now, by the "
            f"loader {resident.loader!r}.",
            hint="Load it with a loader that takes them, for example transformers.",
            param="adapters",
        )
