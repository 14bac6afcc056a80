"""The plugin manager: discovery, quarantine, order, configuration, and typed calls."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

from jackfield.catalog.source import ModelSource
from jackfield.discovery import Found, installed, loose
from jackfield.errors import InvalidRequest, PluginError, PluginNotFound
from jackfield.loader import Loader
from jackfield.page import Page
from jackfield.paths import Paths
from jackfield.plugin import Plugin
from jackfield.plugin_loading import PluginLoading
from jackfield.plugin_options import PluginOptions
from jackfield.plugin_record import Conflict, Entry, PluginRecord, record_of
from jackfield.quarantine import BUILT_IN_PAGES, wrong_page
from jackfield.sampling import SamplingPreset
from jackfield.settings import PluginSettings
from jackfield.settings_store import SettingsStore
from jackfield.supply import Supply
from jackfield.templates.template import ChatTemplate
from jackfield.turn_plugins import Implementation, TurnPlugins

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

PREFIX = "jackfield_"
TURN_HOOKS = (
    "before_turn",
    "transform_input",
    "add_context",
    "modify_sampling",
    "transform_prompt",
    "filter_stream",
    "transform_reply",
    "after_turn",
)
MOST_FAILURES = 5
"""So many failures in a row set a plugin aside."""


class PluginManager:
    """Everything the rest of the program knows of plugins; nothing else calls a hook.

    Args:
        entry_points: plugins to discover in place of those installed in this environment.
    """

    def __init__(
        self,
        paths: Paths,
        settings: SettingsStore,
        *,
        entry_points: Iterable[EntryPoint] | None = None,
    ) -> None:
        self._loose = paths.plugins
        self._settings = settings
        self._entry_points = None if entry_points is None else list(entry_points)
        self._lock = threading.RLock()
        self._options = PluginOptions(settings)
        self._loading = PluginLoading(paths, settings, self._options)
        self._entries: dict[str, Entry] = {}
        self._app: Any = None
        self._supply = Supply(self._implementations, settings)

    # Discovery

    def discover(self) -> None:
        """Find all plugins and load those that are enabled; new ones appear, gone ones go."""
        with self._lock:
            culprit = self._loading.guard.culprit()
            if culprit:
                self._settings.set(f'plugins."{culprit}".enabled', False)
            found = [*installed(self._entry_points), *loose(self._loose)]
            names = {one.name for one in found}
            for name, entry in list(self._entries.items()):
                if name not in names and entry.found is not None:
                    self._drop(entry)
                    del self._entries[name]
            for one in found:
                self._discover_one(one, killed=one.name == culprit)
            self._supply.clear()

    def _discover_one(self, found: Found, *, killed: bool) -> None:
        known = self._entries.get(found.name)
        if known is not None and known.found is not None and known.found.path == found.path:
            if known.found.origin == "package" or known.state == "enabled":
                return  # it is there already
        elif known is not None and known.found is not None:
            known.set_aside(
                f"Two plugins are called {found.name!r}: {_owner(known.found)} and "
                f"{_owner(found)}.",
                "Uninstall one of them.",
            )
            self._drop(known)
            return
        entry = self._entries[found.name] = Entry(found.name, found)
        if killed:
            entry.set_aside(
                "Its import ended the whole process, so it is skipped.",
                f"Update it, or uninstall it: jackfield plugins uninstall {found.name}",
            )
        elif self._settings.value.plugins.get(found.name, PluginSettings()).enabled is not False:
            self._loading.load(entry)

    def register(
        self, name: str, plugin_class: type[Plugin], *, config: Mapping[str, Any] | None = None
    ) -> PluginRecord:
        """Add a plugin that comes from no distribution: for tests and for embedding."""
        with self._lock:
            entry = self._entries[name] = Entry(name, None)
            self._loading.load(entry, plugin_class, config)
            self._supply.clear()
            return self.record(name)

    def unregister(self, name: str) -> None:
        """Take a registered plugin away."""
        with self._lock:
            self._drop(self._entry(name))
            del self._entries[name]
            self._supply.clear()

    # What there is

    def records(self) -> list[PluginRecord]:
        """All plugins in their order, those that are set aside included."""
        with self._lock:
            return [
                record_of(entry, order, self._options)
                for order, entry in enumerate(sorted(self._entries.values(), key=self._place))
            ]

    def record(self, name: str) -> PluginRecord:
        """One plugin.

        Raises:
            PluginNotFound: there is none of that name.
        """
        self._entry(name)
        return next(one for one in self.records() if one.name == name)

    def plugin(self, name: str) -> Plugin:
        """The live object of an enabled plugin.

        Raises:
            PluginNotFound: there is none of that name.
            PluginError: it is not enabled.
        """
        entry = self._entry(name)
        if entry.plugin is None or entry.state != "enabled":
            raise PluginError(
                f"Plugin {name!r} is {entry.state}.",
                hint=entry.advice or f"Enable it: jackfield plugins enable {name}",
                plugin=name,
            )
        return entry.plugin

    # What the user changes

    def enable(self, name: str) -> PluginRecord:
        """Switch a plugin on, now and from now on; one that was set aside is tried again."""
        with self._lock:
            entry = self._entry(name)
            if entry.found is not None:
                self._settings.set(_key(name, "enabled"), True)
            if entry.state != "enabled":
                self._loading.load(entry, entry.kind if entry.found is None else None)
                self._supply.clear()
                self._tell(entry, "started", app=self._app)
            return self.record(name)

    def disable(self, name: str) -> PluginRecord:
        """Switch a plugin off, now and from now on, without importing it."""
        with self._lock:
            entry = self._entry(name)
            if entry.found is not None:
                self._settings.set(_key(name, "enabled"), False)
            self._tell(entry, "stopped")
            self._drop(entry)
            entry.state = "disabled"
            entry.error = entry.advice = ""
            self._supply.clear()
            return self.record(name)

    def configure(self, name: str, values: Mapping[str, Any]) -> PluginRecord:
        """Change some of a plugin's options; they take effect at once.

        Secrets that are empty stay as they are; None removes one. Options may be corrected while
        the plugin is set aside for them.

        Raises:
            InvalidRequest: a value that is not valid; ``details['errors']`` by field.
        """
        with self._lock:
            entry = self._entry(name)
            kind = entry.kind
            if kind is None:
                raise PluginError(
                    f"Plugin {name!r} has to be enabled before it can be configured.",
                    hint=f"jackfield plugins enable {name}",
                    plugin=name,
                )
            self._options.save(entry, kind, values)
            if entry.plugin is None:
                if entry.state == "set aside":
                    self._loading.load(entry, kind if entry.found is None else None)
                    self._supply.clear()
            else:
                self._replace_config(entry, entry.plugin, kind)
            return self.record(name)

    def reset(self, name: str) -> PluginRecord:
        """Return a plugin's options to its author's."""
        with self._lock:
            entry = self._entry(name)
            self._options.forget(entry)
            if entry.state == "set aside":
                return self.enable(name)
            if entry.plugin is not None and entry.kind is not None:
                self._replace_config(entry, entry.plugin, entry.kind)
            return self.record(name)

    def set_order(self, names: Sequence[str]) -> None:
        """Make plugins run in this order; those not named come after, by name."""
        for name in names:
            self._entry(name)
        self._settings.set("plugin_order", list(names))
        self._supply.clear()

    def conflicts(self) -> list[Conflict]:
        """What several plugins offer and only one may."""
        with self._lock:
            return self._supply.conflicts()

    def choose(self, what: str, owner: str) -> None:
        """Answer a conflict; the choice is kept.

        Raises:
            InvalidRequest: there is no such conflict, or the plugin is no party to it.
        """
        for conflict in self.conflicts():
            if conflict.what == what and owner in conflict.owners:
                self._settings.set(f'choices."{what}"', owner)
                return
        raise InvalidRequest(f"{owner!r} cannot be chosen for {what!r}: it does not offer it.")

    # Typed calls

    def loaders(self) -> dict[str, Loader]:
        """Loaders by name."""
        with self._lock:
            return self._supply.get("loader")

    def model_sources(self) -> dict[str, ModelSource]:
        """Sources of models by name."""
        with self._lock:
            return self._supply.get("source")

    def chat_templates(self) -> dict[str, ChatTemplate]:
        """Named chat templates by name."""
        with self._lock:
            return self._supply.get("template")

    def sampling_presets(self) -> dict[str, SamplingPreset]:
        """Sampling presets by name."""
        with self._lock:
            return self._supply.get("preset")

    def pages(self) -> list[tuple[str, Page]]:
        """Pages of plugins, each with its plugin's name; those that could not be shown are not."""
        pages: list[tuple[str, Page]] = []
        taken = set(BUILT_IN_PAGES)
        for one in self._implementations("pages"):
            for page in self._ask(one, "pages") or ():
                if wrong := wrong_page(page, taken):
                    one.report(f"pages: {wrong}")
                    continue
                taken.add(page.url_path)
                pages.append((one.plugin, page))
        return pages

    def commands(self, cli: typer.Typer) -> None:
        """Let plugins add their commands."""
        for one in self._implementations("commands"):
            self._ask(one, "commands", cli=cli)

    def routes(self) -> list[tuple[str, APIRouter]]:
        """Routes of plugins, each with its plugin's name."""
        asked = [(one.plugin, self._ask(one, "routes")) for one in self._implementations("routes")]
        return [(name, router) for name, router in asked if router is not None]

    def life(self, hook: str, **values: Any) -> None:
        """Tell every enabled plugin of a change: ``started``, ``stopped``, ``model_loaded``..."""
        if hook == "started":
            self._app = values.get("app")
        for one in self._implementations(hook):
            self._ask(one, hook, **values)

    def for_turn(self, on: Iterable[str] = (), off: Iterable[str] = ()) -> TurnPlugins:
        """The plugins of a turn: the enabled ones, with some added and some left out.

        Raises:
            PluginNotFound: a name that no plugin has.
            PluginError: one to be added that is set aside.
        """
        added, left_out = set(on), set(off)
        with self._lock:
            for name in added | left_out:
                self._entry(name)
            for name in added:
                self._for_this_turn(self._entries[name])
            taking_part = {
                name
                for name, entry in self._entries.items()
                if (entry.state == "enabled" or name in added) and name not in left_out
            }
            return TurnPlugins(
                {hook: self._implementations(hook, taking_part) for hook in TURN_HOOKS}
            )

    # Inside

    def _replace_config(self, entry: Entry, plugin: Plugin, kind: type[Plugin]) -> None:
        before = plugin.config
        plugin.config = self._options.load(entry, kind)
        self._supply.clear()
        self._tell(entry, "config_changed", before=before.model_dump())

    def _for_this_turn(self, entry: Entry) -> None:
        """Make a disabled plugin's object, for a request that asks for it."""
        if entry.plugin is None:
            was = entry.state
            self._loading.load(entry, entry.kind if entry.found is None else None)
            if entry.state == "set aside":
                raise PluginError(
                    f"Plugin {entry.name!r} cannot be used: {entry.error}",
                    hint=entry.advice,
                    plugin=entry.name,
                )
            entry.state = was

    def _drop(self, entry: Entry) -> None:
        entry.plugin = None
        entry.hooks = ()

    def _entry(self, name: str) -> Entry:
        if name not in self._entries:
            near = next(iter(get_close_matches(name, self._entries, n=1)), None)
            raise PluginNotFound(
                f"There is no plugin {name!r}.",
                hint=f"Did you mean {near!r}?" if near else "jackfield plugins list shows all.",
                name=name,
                nearest=near,
            )
        return self._entries[name]

    def _place(self, entry: Entry) -> tuple[int, str]:
        order = self._settings.value.plugin_order
        return (order.index(entry.name) if entry.name in order else len(order), entry.name)

    def _implementations(self, hook: str, names: set[str] | None = None) -> list[Implementation]:
        """Implementations of a hook in order: tryfirst, the user's order, trylast."""
        with self._lock:
            found = []
            for entry in sorted(self._entries.values(), key=self._place):
                taking_part = entry.state == "enabled" if names is None else entry.name in names
                if entry.plugin is None or not taking_part or PREFIX + hook not in entry.hooks:
                    continue
                function = getattr(entry.plugin, PREFIX + hook)
                found.append((_rank(function), self._implementation(entry, function)))
            return [one for _, one in sorted(found, key=lambda pair: pair[0])]

    def _implementation(self, entry: Entry, function: Callable[..., Any]) -> Implementation:
        return Implementation(
            plugin=entry.name,
            function=function,
            arguments=tuple(inspect.signature(function).parameters),
            essential=bool(entry.kind and entry.kind.essential),
            report=partial(self._report, entry),
        )

    def _report(self, entry: Entry, failure: str) -> None:
        """Count failures in a row; too many set the plugin aside."""
        with self._lock:
            if not failure:
                entry.failures = 0
                return
            entry.failures += 1
            entry.error = failure
            entry.advice = f"Tell its author, or disable it: jackfield plugins disable {entry.name}"
            logging.getLogger(f"jackfield.plugin.{entry.name}").warning("%s", failure)
            if entry.failures >= MOST_FAILURES and entry.state == "enabled":
                self._drop(entry)
                entry.set_aside(
                    f"It failed {entry.failures} times in a row, the last time in {failure}",
                    f"Enable it to try again: jackfield plugins enable {entry.name}",
                )
                self._supply.clear()

    def _ask(self, one: Implementation, hook: str, **values: Any) -> Any:
        """Call a hook that is no turn hook; its failure is the plugin's own."""
        try:
            return one.function(**{name: values[name] for name in one.arguments})
        except Exception as error:  # noqa: BLE001 - a plugin's own code runs here
            one.report(f"{hook}: {type(error).__name__}: {error}")
            return None

    def _tell(self, entry: Entry, hook: str, **values: Any) -> None:
        """Call a life hook of one plugin, if it is running inside a started application."""
        function = getattr(entry.plugin, PREFIX + hook, None)
        if function is not None and self._app is not None:
            self._ask(self._implementation(entry, function), hook, **values)


def _rank(function: Callable[..., Any]) -> int:
    options = getattr(function, "jackfield_impl", {})
    return 0 if options.get("tryfirst") else 2 if options.get("trylast") else 1


def _key(name: str, field: str) -> str:
    return f'plugins."{name}".{field}'


def _owner(found: Found) -> str:
    return f"the package {found.distribution!r}" if found.distribution else repr(found.path)
