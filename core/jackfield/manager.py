"""The plugin manager: discovery, quarantine, order, configuration, and typed calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import EntryPoint
from typing import Any

from jackfield import discovery
from jackfield.errors import InvalidRequest, PluginConflict, PluginError
from jackfield.implementations import Implementations
from jackfield.page_check import known_icons
from jackfield.paths import Paths
from jackfield.plugin import Plugin
from jackfield.plugin_cards import Cards
from jackfield.plugin_entries import Entries, in_order
from jackfield.plugin_life import PluginLife
from jackfield.plugin_loading import PluginLoading
from jackfield.plugin_options import PluginOptions
from jackfield.plugin_record import Conflict, Entry, PluginRecord, record_of
from jackfield.settings_store import SettingsStore
from jackfield.supplied import Supplied
from jackfield.supply import Supply
from jackfield.turn_plugins import Implementation, TurnPlugins

CARDS = "plugin-cards.json"


class PluginManager(Supplied):
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
        self._options = PluginOptions(settings)
        self._loading = PluginLoading(paths, settings, self._options)
        self._cards = Cards(paths.home / CARDS)
        self._entries = Entries()
        self._implementations = Implementations(self._lock, self._failed_too_often)
        self._life = PluginLife(
            self._entries, self._loading, self._options, settings, self._implementations.of
        )
        self._seen = settings.value
        self._discovered_at = 0.0
        self._loads = True
        self._live: dict[str, tuple[Implementation, ...]] = {}
        self._supply = Supply(self._live, self._choices, lambda: self._icons)

    # Discovery

    def discover(self, *, load: bool | None = None, again: Container[str] = ()) -> None:
        """Find all plugins and load those that are enabled; new ones appear, gone ones go.

        Args:
            load: False only lists them, importing none, so that one can be switched off or
                uninstalled whatever its import does. Left out: as the last time.
            again: canonical names of distributions whose plugins have changed.
        """
        with self._changing():
            is_running = self._discovered_at > 0
            if is_running:
                discovery.refresh(self._discovered_at)
            self._discovered_at = time.time()
            self._loads = load = self._loads if load is None else load
            self._cards.read()
            killed = self._loading.guard.culprits() if load else {}
            groups = discovery.find(self._entry_points, self._paths.plugins)
            for entry in self._entries:
                if entry.found is not None and entry.name not in groups:
                    self._life.leave(entry)
            for name, stamp in killed.items():
                self._cards.kill(name, stamp)
            self._cards.save()  # before the next import, which may end the process as well
            for name, group in groups.items():
                self._life.meet(name, group, self._cards, load=load, again=again, probe=is_running)
            self._save_cards()

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
            self._life.start(entry, plugin_class, config)
        return self.record(name)

    def unregister(self, name: str) -> None:
        """Take a registered plugin away."""
        with self._changing():
            self._life.leave(self._entries.get(name))

    # What there is

    def records(self) -> list[PluginRecord]:
        """All plugins in their order, those that are set aside included."""
        self._follow_settings()
        with self._lock:
            order = self._settings.value.plugin_order
            return [
                record_of(entry, place, self._options.shown(entry))
                for place, entry in enumerate(in_order(self._entries, order))
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
            self._life.switch(entry, True)
            if entry.card is not None and entry.card.killed:
                self._cards.clear(name)
                self._life.probe(entry)
            if entry.plugin is None or entry.state != "enabled":
                self._life.start(entry)
            self._save_cards()
        return self.record(name)

    def disable(self, name: str) -> PluginRecord:
        """Switch a plugin off, now and from now on, without importing it."""
        with self._changing():
            entry = self._entries.get(name)
            self._life.switch(entry, False)
            self._life.stop(entry)
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
            self._options.save(entry, self._life.kind(entry), values)
            self._life.apply_options(entry)
        return self.record(name)

    def reset(self, name: str) -> PluginRecord:
        """Return a plugin's options to its author's; secrets stay."""
        with self._changing():
            entry = self._entries.get(name)
            self._options.forget(entry, entry.kind)
            self._life.apply_options(entry)
        return self.record(name)

    def clear_failures(self, name: str) -> PluginRecord:
        """Forget what failed; one that was set aside for its failures runs again."""
        with self._changing():
            entry = self._entries.get(name)
            if entry.reason == "failures":
                self._life.start(entry)
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

    def life(self, hook: str, **values: Any) -> None:
        """Tell every enabled plugin of a change: ``started``, ``stopped``, ``model_loaded``..."""
        if hook in ("started", "stopped"):
            self._life.app = values.get("app")
            for entry in list(self._entries):
                entry.started = hook == "started" and entry.state == "enabled"
        for one in self._live.get(hook, ()):
            one.tell(hook, **values)

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
        with self._lock:
            named = [self._entries.get(name) for name in sorted(added | left_out)]
            wanted = [one for one in named if one.name not in left_out]
            if any(one.plugin is None for one in wanted):
                with self._changing():
                    for entry in wanted:
                        self._life.lend(entry)
            return TurnPlugins(
                self._snapshot(
                    one
                    for one in self._entries
                    if (one.state == "enabled" or one.name in added) and one.name not in left_out
                )
            )

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
                        self._catch_up()
                        told, self._life.told = self._life.told, []
        finally:
            for tell in told:
                tell()

    def _catch_up(self) -> None:
        """Do what the settings say by now, and make the snapshot of what runs."""
        settings = self._settings.value
        if settings is not self._seen:
            self._life.follow(self._seen, settings)
            self._seen = settings
        self._live = self._snapshot(one for one in self._entries if one.state == "enabled")
        self._supply = Supply(self._live, self._choices, lambda: self._icons)

    def _snapshot(self, entries: Iterable[Entry]) -> dict[str, tuple[Implementation, ...]]:
        return self._implementations.live(entries, self._settings.value.plugin_order)

    def _follow_settings(self) -> None:
        """Follow settings that somebody else changed, unless another thread is at it."""
        if self._settings.value is self._seen:
            return
        if self._lock.acquire(blocking=False):
            try:
                with self._changing():
                    pass
            finally:
                self._lock.release()

    @cached_property
    def _icons(self) -> frozenset[str]:
        return known_icons()

    def _supplied(self) -> Supply:
        self._follow_settings()
        return self._supply

    def _choices(self) -> Mapping[str, str]:
        return self._settings.value.choices

    def _save_cards(self) -> None:
        for entry in self._entries:
            if entry.found is not None and entry.card is not None:
                self._cards.put(entry.name, entry.card)
        self._cards.save()

    def _failed_too_often(self, entry: Entry, words: str) -> None:
        with self._changing():
            self._life.stop(entry)
            entry.set_aside(
                words, f"Enable it to try again: jackfield plugins enable {entry.name}", "failures"
            )
