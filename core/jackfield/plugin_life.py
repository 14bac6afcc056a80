"""Plugins starting, stopping and following the settings."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from typing import Any

from jackfield import discovery, import_probe
from jackfield.discovery import Found
from jackfield.errors import PluginError
from jackfield.plugin import Plugin
from jackfield.plugin_cards import Card, Cards
from jackfield.plugin_entries import Entries
from jackfield.plugin_loading import PluginLoading
from jackfield.plugin_options import PluginOptions
from jackfield.plugin_record import Entry
from jackfield.quarantine import explain
from jackfield.settings import PluginSettings, Settings
from jackfield.settings_store import SettingsStore
from jackfield.turn_plugins import Implementation

PREFIX = "jackfield_"


class PluginLife:
    """Starts and stops plugins. Used under the manager's lock.

    What plugins are to be told is collected in ``told``, and told without the lock.

    Args:
        implementation: makes what calls a hook of a plugin, by the hook's whole name.
    """

    def __init__(
        self,
        entries: Entries,
        loading: PluginLoading,
        options: PluginOptions,
        settings: SettingsStore,
        implementation: Callable[[Entry, str], Implementation],
    ) -> None:
        self.app: Any = None
        self.told: list[Callable[[], object]] = []
        self._entries = entries
        self._loading = loading
        self._options = options
        self._settings = settings
        self._implementation = implementation

    def meet(
        self,
        name: str,
        group: Sequence[Found],
        cards: Cards,
        *,
        load: bool,
        again: Container[str],
        probe: bool,
    ) -> None:
        """Take up a plugin that was found, unless it is here as it was found.

        Args:
            group: what was found of this name; more than one is a conflict.
            load: import it if it is wanted.
            again: canonical names of distributions whose plugins have changed.
            probe: try the import of one that was never seen in another process first.
        """
        chosen = self._settings.value.choices.get(f"plugin:{name}")
        found = next((one for one in group if one.owner == chosen), group[0])
        entry = self._entries.find(name)
        changed = False
        if entry is not None:
            if entry.found is None:
                return  # a program registered its own of that name
            changed = found.distribution.lower().replace("_", "-") in again
            if entry.is_as_found(found, len(group) > 1) and not changed:
                if load and entry.state == "enabled" and entry.plugin is None:
                    self.start(entry)
                return
            self.stop(entry)
            if changed or entry.found.stamp != found.stamp:
                discovery.forget(found.top_package)
        entry = self._entries.add(Entry(name, found))
        entry.rivals = tuple(group) if len(group) > 1 else ()
        entry.card = cards.get(name, found.stamp)
        if self.is_wanted(entry):
            entry.state = "enabled"
            if load:
                if probe and (entry.card is None or changed):
                    self.probe(entry)
                self.start(entry)

    def probe(self, entry: Entry) -> None:
        """Find out in another process whether a plugin's import ends the process it runs in."""
        if entry.found is not None and not entry.rivals:
            killed = import_probe.ends_process(entry.found)
            entry.card = Card(stamp=entry.found.stamp, killed=True) if killed else None

    def leave(self, entry: Entry) -> None:
        """Stop a plugin that is gone, and forget it."""
        self.stop(entry)
        self._entries.remove(entry)
        if entry.found is None:
            self._options.forget(entry, None)
        else:
            discovery.forget(entry.found.top_package)

    def is_wanted(self, entry: Entry) -> bool:
        """Whether a plugin is to run: as the user said, else as its author chose."""
        if entry.found is None:
            return entry.switched_on
        enabled = self._settings.value.plugins.get(entry.name, PluginSettings()).enabled
        if enabled is None:
            return entry.card is None or entry.card.enabled_by_default
        return enabled

    def switch(self, entry: Entry, on: bool) -> None:
        """Remember that the user wants a plugin or not."""
        entry.switched_on = on
        if entry.found is not None:
            self._settings.set(("plugins", entry.name, "enabled"), on)

    def start(
        self,
        entry: Entry,
        plugin_class: type[Plugin] | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        lend: bool = False,
    ) -> None:
        """Make a plugin run, or set it aside with the reason.

        Args:
            lend: only for a request that asks for it.
        """
        self.stop(entry)
        if entry.found is None and plugin_class is None:
            plugin_class = entry.kind
        if self._is_disputed(entry) or self._was_killed(entry):
            return
        self._loading.load(entry, plugin_class, config)
        if entry.state == "enabled" and not lend and not self.is_wanted(entry):
            self._loading.unload(entry)
            entry.state = "disabled"
        if entry.state == "enabled" and self.app is not None:
            entry.started = True
            self._tell(entry, "started", app=self.app)
        if lend and entry.state == "enabled":
            entry.state = "disabled"

    def stop(self, entry: Entry) -> None:
        """Take a plugin out of its sockets and tell it."""
        if entry.started:
            entry.started = False
            self._tell(entry, "stopped")
        self._loading.unload(entry)

    def lend(self, entry: Entry) -> None:
        """Have a disabled plugin ready for a request that asks for it.

        Raises:
            PluginError: it is set aside.
        """
        if entry.plugin is None and entry.state == "disabled":
            self.start(entry, lend=True)
        if entry.plugin is None:
            raise PluginError(
                f"Plugin {entry.name!r} cannot be used: {entry.error}",
                hint=entry.advice,
                plugin=entry.name,
            )

    def kind(self, entry: Entry) -> type[Plugin]:
        """A plugin's class, imported if need be.

        Raises:
            PluginError: that is not possible.
        """
        if entry.kind is not None:
            return entry.kind
        if self._is_disputed(entry) or self._was_killed(entry):
            raise PluginError(entry.error, hint=entry.advice, plugin=entry.name)
        return self._loading.look(entry)

    def apply_options(self, entry: Entry) -> None:
        """Give a running plugin its saved options, if they changed; retry one that had bad ones."""
        if entry.reason == "options":
            self.start(entry)
        if entry.plugin is None or entry.kind is None:
            return
        before = entry.plugin.config
        try:
            changed = self._options.load(entry, entry.kind)
        except Exception as error:  # noqa: BLE001 - a plugin's own validators run here
            entry.error, entry.advice = explain(error, entry.name)
            return  # it goes on with the options it had
        if changed == before:
            return
        entry.plugin.config = changed
        entry.error = entry.advice = ""
        if entry.started:
            self._tell(entry, "config_changed", before=before.model_dump())

    def follow(self, before: Settings, after: Settings) -> None:
        """Do what changed settings ask for, whoever changed them."""
        for entry in self._entries:
            old = before.plugins.get(entry.name, PluginSettings())
            new = after.plugins.get(entry.name, PluginSettings())
            network = entry.card.reach.network if entry.card else "none"
            if entry.state == "enabled" and not self.is_wanted(entry):
                self.stop(entry)
                entry.state = "disabled"
            elif entry.state == "set aside" and new.enabled is False:
                entry.clear()
                entry.state = "disabled"
            elif entry.state == "disabled" and old.enabled != new.enabled:
                if self.is_wanted(entry):
                    self.start(entry)
            elif before.offline != after.offline and (
                entry.reason == "offline" or (entry.state == "enabled" and network == "runtime")
            ):
                self.start(entry)
            elif old.config != new.config:
                self.apply_options(entry)

    def _is_disputed(self, entry: Entry) -> bool:
        """Whether several plugins want this name and none was chosen; sets it aside."""
        owners = [one.owner for one in entry.rivals]
        chosen = self._settings.value.choices.get(f"plugin:{entry.name}")
        if entry.found is None or not owners or chosen == entry.found.owner:
            return False
        entry.set_aside(
            f"Several plugins are called {entry.name!r}: {', '.join(owners)}.",
            "Choose one on the Plugins page, or uninstall the others.",
            reason="rivals",
        )
        return True

    @staticmethod
    def _was_killed(entry: Entry) -> bool:
        """Whether its import ended an earlier process; sets it aside."""
        if entry.card is None or not entry.card.killed:
            return False
        entry.set_aside(
            "Its import ended the process, so it is skipped.",
            f"Try again: jackfield plugins enable {entry.name}; or update or uninstall it: "
            f"jackfield plugins uninstall {entry.name}",
            reason="killed",
        )
        return True

    def _tell(self, entry: Entry, hook: str, **values: Any) -> None:
        if PREFIX + hook in entry.hooks:
            one = self._implementation(entry, PREFIX + hook)
            self.told.append(partial(one.tell, hook, **values))
