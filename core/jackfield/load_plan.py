"""Decides how a model is loaded: which loader, with which options, and what that needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from pydantic import SecretStr, ValidationError

from jackfield.catalog.catalog import Catalog
from jackfield.catalog.model import CatalogModel
from jackfield.errors import (
    InvalidRequest,
    JackfieldError,
    LoaderError,
    LoadFailed,
    ModelFileError,
    PluginConflict,
)
from jackfield.loader import Loader, LoadOptions, Match, Settled
from jackfield.machine import Machine, MemoryEstimate
from jackfield.manager import PluginManager
from jackfield.settings import ModelSettings
from jackfield.settings_store import SettingsStore


class Wish(msgspec.Struct, frozen=True):
    """How the user wants a model loaded.

    Attributes:
        loader: "" for the one in the settings, else the best match.
        options: None for those in the settings alone.
        force: also where it is not expected to fit.
    """

    loader: str = ""
    options: dict[str, Any] | None = None
    force: bool = False

    @classmethod
    def of(cls, loader: str, options: Mapping[str, Any] | None, force: bool) -> Wish:
        """A wish with options of its own."""
        return cls(loader, None if options is None else dict(options), force)

    @property
    def special(self) -> bool:
        """Whether it says more than to load the model as usual."""
        return bool(self.loader or self.force or self.options is not None)


class LoadPlan(msgspec.Struct, frozen=True):
    """How a model is to be loaded.

    Attributes:
        match: why this loader, in the loader's words.
        options: all options, defaults included, as they were asked for.
        settled: the same with automatic values replaced by real ones, and why.
    """

    entry: CatalogModel
    loader: Loader
    match: Match
    options: LoadOptions
    settled: Settled
    estimate: MemoryEstimate

    @property
    def needs(self) -> dict[str, int]:
        """Bytes that it will take, by device."""
        return {device: need for device, need in self.estimate.by_device().items() if need}

    def same(self, other: LoadPlan) -> bool:
        """Whether the other would load the same thing in the same way."""
        return (
            type(self.loader) is type(other.loader)
            and self.options == other.options
            and self.entry.files == other.entry.files
        )


class Planner:
    """Makes plans from the catalog, the plugins' loaders and the settings. For any thread.

    Args:
        catalog, plugins, settings: the application's.
        offered: the computer with that much memory free as a model of that name may take.
    """

    def __init__(
        self,
        catalog: Catalog,
        plugins: PluginManager,
        settings: SettingsStore,
        offered: Callable[[str], Machine],
    ) -> None:
        self._catalog = catalog
        self._plugins = plugins
        self._settings = settings
        self._offered = offered

    def plan(
        self, model: str, loader: str = "", options: Mapping[str, Any] | None = None
    ) -> LoadPlan:
        """A plan for a model; the settings' options are used where none are given.

        Raises:
            ModelNotFound: there is no such model.
            ModelFileError: its file is broken.
            LoadFailed: no loader opens it.
            PluginConflict: several do equally well and the user has not chosen.
            InvalidRequest: options that the loader does not take; ``details['errors']`` by field.
        """
        entry = self._catalog.find(model)
        if entry.error:
            raise ModelFileError(f"Model {entry.name!r} cannot be loaded: {entry.error}")
        kept = self._settings.value.models.get(entry.name, ModelSettings())
        chosen, match = self.choose_loader(entry, loader)
        # Options kept for one loader mean nothing to another.
        usual = kept.options if loader in ("", kept.loader) or not kept.loader else {}
        given = {**usual, **(options or {})}
        checked = checked_options(chosen, given)
        try:
            settled = chosen.settle(entry.files, checked, self._offered(entry.name))
            estimate = chosen.estimate(entry.files, settled.options)
        except JackfieldError:
            raise
        except Exception as error:
            raise LoaderError(
                f"Loader {chosen.name!r} could not plan the load of {entry.name!r}: "
                f"{type(error).__name__}: {error}"
            ) from error
        return LoadPlan(entry, chosen, match, checked, settled, estimate)

    def choose_loader(self, entry: CatalogModel, loader: str = "") -> tuple[Loader, Match]:
        """The loader that opens a model best, or the named one.

        Args:
            entry: the model.
            loader: a loader's name; "" for the one in the settings, else the best match.

        Raises:
            InvalidRequest: the named one does not open it, or is not there.
            LoadFailed: none opens it, or not the one in the settings.
            PluginConflict: several match equally; ``details['owners']`` are the loaders.
        """
        settings = self._settings.value
        loaders = self._plugins.loaders()
        wanted = loader or settings.models.get(entry.name, ModelSettings()).loader
        if wanted:
            return named_loader(entry, wanted, loaders, InvalidRequest if loader else LoadFailed)
        return best_loader(entry, loaders, settings.choices)


def best_loader(
    entry: CatalogModel, loaders: Mapping[str, Loader], choices: Mapping[str, str]
) -> tuple[Loader, Match]:
    """The loader that opens a model best, and why; ``choices`` decide between equals.

    Raises:
        LoadFailed: none opens it.
        PluginConflict: several match equally; ``details['owners']`` are the loaders.
    """
    matches, troubles = [], []
    for one in loaders.values():
        try:
            match = one.probe(entry.files)
        except Exception as error:  # noqa: BLE001 - a plugin's own code runs here
            troubles.append(f"{one.name} failed: {type(error).__name__}: {error}")
            continue
        if match is not None:
            matches.append((one, match))
    if not matches:
        raise _no_loader(entry, sorted(loaders), troubles)
    best = max(match.score for _, match in matches)
    equal = {one.name: (one, match) for one, match in matches if match.score == best}
    what = f"format:{entry.format}"
    choice = choices.get(what, "")
    if len(equal) > 1 and choice not in equal:
        raise PluginConflict(
            f"Several loaders open {entry.name!r} equally well: {', '.join(equal)}.",
            hint="Choose one of them when loading, or keep one in the model's settings.",
            what=what,
            owners=list(equal),
        )
    return equal[choice] if len(equal) > 1 else next(iter(equal.values()))


def named_loader(
    entry: CatalogModel,
    name: str,
    loaders: Mapping[str, Loader],
    refusal: type[InvalidRequest | LoadFailed],
) -> tuple[Loader, Match]:
    """The loader of a name, and why it opens a model; ``refusal`` says that it does not."""
    if name not in loaders:
        raise refusal(
            f"There is no loader {name!r}.",
            hint=f"There are: {', '.join(sorted(loaders))}." if loaders else _NO_LOADERS,
            param="loader",
        )
    try:
        match = loaders[name].probe(entry.files)
    except Exception as error:
        raise LoadFailed(
            f"Loader {name!r} failed to look at {entry.name!r}: {type(error).__name__}: {error}"
        ) from error
    if match is None:
        raise refusal(
            f"Loader {name!r} does not open {entry.name!r}, which is of the format "
            f"{entry.format!r}.",
            hint="Leave the loader out to have the best one chosen.",
            param="loader",
        )
    return loaders[name], match


_NO_LOADERS = "Install a plugin that brings a loader."


def _no_loader(entry: CatalogModel, names: list[str], troubles: list[str]) -> LoadFailed:
    enabled = f"Enabled loaders: {', '.join(names)}." if names else "No loader is enabled."
    return LoadFailed(
        " ".join([f"No loader opens {entry.name!r} (format {entry.format!r}).", *troubles]),
        hint=f"{enabled} {_NO_LOADERS}",
    )


def checked_options(loader: Loader, given: Mapping[str, Any]) -> LoadOptions:
    """Load options of a loader.

    Raises:
        InvalidRequest: it does not take them; ``details['errors']`` by field.
    """
    try:
        return loader.Options.model_validate(dict(given))
    except ValidationError as error:
        errors = {".".join(map(str, one["loc"])) or "options": one["msg"] for one in error.errors()}
        field, why = next(iter(errors.items()))
        raise InvalidRequest(
            f"Load option {field!r} of loader {loader.name!r} cannot be used: {why}.",
            hint=f"Its options are: {', '.join(loader.Options.model_fields)}.",
            param=field,
            errors=errors,
        ) from error


def revealed(options: LoadOptions) -> dict[str, Any]:
    """Options for the worker: as they are, secrets revealed, in what msgpack can carry."""
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else shown
        for (name, value), shown in zip(
            options, options.model_dump(mode="json").values(), strict=True
        )
    }
