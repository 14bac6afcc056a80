"""The plugin manager: discovery, quarantine, order, configuration, and typed calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield import discovery, surface
from jackfield.catalog.source import ModelSource
from jackfield.discovery import Found
from jackfield.errors import InvalidRequest, PluginConflict, PluginError
from jackfield.loader import Loader
from jackfield.page import Page
from jackfield.paths import Paths
from jackfield.plugin import Plugin
from jackfield.plugin_cards import Cards
from jackfield.plugin_entries import MOST_FAILURES, Entries
from jackfield.plugin_loading import PluginLoading
from jackfield.plugin_options import PluginOptions
from jackfield.plugin_record import Conflict, Entry, PluginRecord, record_of
from jackfield.sampling import SamplingPreset
from jackfield.settings import PluginSettings, Settings
from jackfield.settings_store import SettingsStore
from jackfield.supply import Supply
from jackfield.templates.template import ChatTemplate
from jackfield.turn_plugins import Implementation, TurnPlugins

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

CARDS = "plugin-cards.json"


class PluginManager:
    """Everything the rest of the program knows of plugins; nothing else calls a hook.

    What runs is a snapshot that is replaced whole, so that turns go on while another thread
    changes something. Plugins are told of changes after the lock is given back.

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
        self._paths = paths
        self._settings = settings
        self._entry_points = None if entry_points is None else list(entry_points)
        self._lock = threading.RLock()
        self._depth = 0
        self._told: list[Callable[[], object]] = []
        self._options = PluginOptions(settings)
        self._loading = PluginLoading(paths, settings, self._options)
        self._cards = Cards(paths.home / CARDS)
        self._entries = Entries()
        self._seen: Settings | None = None
        self._discovered_at = 0.0
        self._app: Any = None
        self._live: dict[str, tuple[Implementation, ...]] = {}
        self._supply = Supply(self._live, self._choices)

    # Discovery

    def discover(self, *, load: bool = True) -> None:
        """Find all plugins and load those that are enabled; new ones appear, gone ones go.

        Args:
            load: False only lists them, importing none, so that one can be switched off or
                uninstalled whatever its import does.
        """
        with self._changing():
            if self._discovered_at:
                discovery.refresh(self._discovered_at)
            self._discovered_at = time.time()
            self._cards.read()
            killed = self._loading.guard.culprits() if load else {}
            groups: dict[str, list[Found]] = {}
            for one in discovery.installed(self._entry_points):
                groups.setdefault(one.name, []).append(one)
            for one in discovery.loose(self._paths.plugins):
                groups.setdefault(one.name, []).append(one)
            for entry in [one for one in self._entries if one.found and one.name not in groups]:
                self._remove(entry)
            self._seen = self._settings.value
            for name, group in groups.items():
                self._discover_one(name, group, killed.get(name), load=load)
            self._cards.save()

    def _discover_one(
        self, name: str, group: list[Found], killed: str | None, *, load: bool
    ) -> None:
        chosen = self._choices().get(f"plugin:{name}")
        found = next((one for one in group if one.owner == chosen), group[0])
        known = self._entries.find(name)
        if known is not None:
            if known.found is None:
                return  # a program registered its own of that name
            if known.found.stamp == found.stamp and known.found.path == found.path:
                known.rivals = tuple(group) if len(group) > 1 else ()
                if (known.reason == "rivals") is (bool(known.rivals) and found.owner != chosen):
                    return  # it is there already, as it is
            self._remove(known)
            discovery.forget(found.top_package)
        entry = self._entries.add(Entry(name, found))
        entry.rivals = tuple(group) if len(group) > 1 else ()
        entry.card = self._cards.get(name, found.stamp)
        if killed is not None and killed == found.stamp:
            self._cards.killed(name, found.stamp)
            entry.card = self._cards.get(name, found.stamp)
        if load and self._is_wanted(entry):
            self._start(entry)

    def register(
        self, name: str, plugin_class: type[Plugin], *, config: Mapping[str, Any] | None = None
    ) -> PluginRecord:
        """Add a plugin that comes from no distribution: for tests and for embedding.

        Raises:
            PluginConflict: there is one of that name.
        """
        with self._changing():
            if self._entries.find(name) is not None:
                raise PluginConflict(
                    f"There is a plugin {name!r} already.", what=f"plugin:{name}", owners=(name,)
                )
            entry = self._entries.add(Entry(name, None))
            self._start(entry, plugin_class, config)
        return self.record(name)

    def unregister(self, name: str) -> None:
        """Take a registered plugin away."""
        with self._changing():
            self._remove(self._entries.get(name))

    # What there is

    def records(self) -> list[PluginRecord]:
        """All plugins in their order, those that are set aside included."""
        self._follow_settings()
        with self._lock:
            order = self._settings.value.plugin_order
            return [
                record_of(entry, place, self._options.shown(entry))
                for place, entry in enumerate(self._entries.in_order(order))
            ]

    def record(self, name: str) -> PluginRecord:
        """One plugin.

        Raises:
            PluginNotFound: there is none of that name.
        """
        self._entries.get(name)
        return next(one for one in self.records() if one.name == name)

    def plugin(self, name: str) -> Plugin:
        """The live object of an enabled plugin.

        Raises:
            PluginNotFound: there is none of that name.
            PluginError: it is not enabled.
        """
        entry = self._entries.get(name)
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
        with self._changing():
            entry = self._entries.get(name)
            self._switch(entry, True)
            self._cards.clear(name)
            if entry.state != "enabled":
                self._start(entry, entry.kind if entry.found is None else None)
            self._cards.save()
        return self.record(name)

    def disable(self, name: str) -> PluginRecord:
        """Switch a plugin off, now and from now on, without importing it."""
        with self._changing():
            entry = self._entries.get(name)
            self._switch(entry, False)
            self._stop(entry)
            entry.clear()
            entry.state = "disabled"
        return self.record(name)

    def configure(self, name: str, values: Mapping[str, Any]) -> PluginRecord:
        """Change some of a plugin's options; they take effect at once.

        Secrets that are empty stay as they are; None removes one. Options may be corrected while
        the plugin is set aside for them, or disabled.

        Raises:
            InvalidRequest: a value that is not valid; ``details['errors']`` by field.
            PluginError: it cannot even be imported.
        """
        with self._changing():
            entry = self._entries.get(name)
            self._options.save(entry, self._kind(entry), values)
            self._apply_options(entry)
        return self.record(name)

    def reset(self, name: str) -> PluginRecord:
        """Return a plugin's options to its author's; secrets stay."""
        with self._changing():
            entry = self._entries.get(name)
            self._options.forget(entry, entry.kind)
            self._apply_options(entry)
        return self.record(name)

    def clear_failures(self, name: str) -> PluginRecord:
        """Forget what failed; one that was set aside for its failures runs again."""
        with self._changing():
            entry = self._entries.get(name)
            if entry.reason == "failures":
                self._start(entry, entry.kind)
            elif entry.state == "enabled":
                entry.clear()
        return self.record(name)

    def set_order(self, names: Sequence[str]) -> None:
        """Make plugins run in this order; those not named come after, by name."""
        with self._changing():
            for name in names:
                self._entries.get(name)
            self._settings.set("plugin_order", list(dict.fromkeys(names)))

    def conflicts(self) -> list[Conflict]:
        """What several plugins offer and only one may."""
        self._follow_settings()
        return [*self._entries.conflicts(self._choices()), *self._supply.conflicts()]

    def choose(self, what: str, owner: str) -> None:
        """Answer a conflict; the choice is kept.

        Raises:
            InvalidRequest: there is no such conflict, or the plugin is no party to it.
        """
        owners = next((one.owners for one in self.conflicts() if one.what == what), ())
        if owner not in owners:
            raise InvalidRequest(
                f"{owner!r} cannot be chosen for {what!r}: it does not offer it.",
                hint=f"Choose one of: {', '.join(owners)}." if owners else "Nobody has to choose.",
                param=what,
            )
        with self._changing():
            self._settings.set(("choices", what), owner)
            if what.startswith("plugin:"):
                self.discover()

    # Typed calls

    def loaders(self) -> dict[str, Loader]:
        """Loaders by name."""
        return self._supplied().get("loader")

    def model_sources(self) -> dict[str, ModelSource]:
        """Sources of models by name."""
        return self._supplied().get("source")

    def chat_templates(self) -> dict[str, ChatTemplate]:
        """Named chat templates by name."""
        return self._supplied().get("template")

    def sampling_presets(self) -> dict[str, SamplingPreset]:
        """Sampling presets by name."""
        return self._supplied().get("preset")

    def pages(self) -> list[tuple[str, Page]]:
        """Pages of plugins, each with its plugin's name; those that could not be shown are not."""
        return self._supplied().pages()

    def commands(self, cli: typer.Typer) -> None:
        """Let plugins add their commands to those that are there."""
        surface.add_commands(cli, self._live.get("commands", ()))

    def routes(self) -> list[tuple[str, APIRouter]]:
        """Routes of plugins, each with its plugin's name."""
        self._follow_settings()
        return surface.routes(self._live.get("routes", ()))

    def life(self, hook: str, **values: Any) -> None:
        """Tell every enabled plugin of a change: ``started``, ``stopped``, ``model_loaded``..."""
        if hook in ("started", "stopped"):
            self._app = values.get("app")
            for entry in list(self._entries):
                entry.started = hook == "started" and entry.state == "enabled"
        for one in self._live.get(hook, ()):
            one.ask(hook, **values)

    def for_turn(self, on: Iterable[str] = (), off: Iterable[str] = ()) -> TurnPlugins:
        """The plugins of a turn: the enabled ones, with some added and some left out.

        Raises:
            PluginNotFound: a name that no plugin has.
            PluginError: one to be added that is set aside.
        """
        self._follow_settings()
        added, left_out = frozenset(on), frozenset(off)
        if not added and not left_out:
            return TurnPlugins(self._live)
        with self._changing():
            for name in added | left_out:
                self._entries.get(name)
            for name in sorted(added - left_out):
                self._lend(self._entries.get(name))
            taking_part = {one.name for one in self._entries if one.state == "enabled"}
            return TurnPlugins(self._implementations((taking_part | added) - left_out))

    # Inside

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock, replace the snapshot, then tell plugins what happened to them."""
        told: list[Callable[[], object]] = []
        try:
            with self._lock:
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                    if self._depth == 0:
                        self._seen = self._settings.value if self._seen else None
                        running = {one.name for one in self._entries if one.state == "enabled"}
                        self._live = self._implementations(running)
                        self._supply = Supply(self._live, self._choices)
                        told, self._told = self._told, []
        finally:
            for tell in told:
                tell()

    def _supplied(self) -> Supply:
        self._follow_settings()
        return self._supply

    def _choices(self) -> Mapping[str, str]:
        return self._settings.value.choices
