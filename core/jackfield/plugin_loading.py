"""From an entry to a live plugin, or to the reason why not."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from jackfield.discovery import ImportGuard
from jackfield.errors import PluginError
from jackfield.paths import Paths
from jackfield.plugin import Plugin, PluginContext
from jackfield.plugin_options import PluginOptions
from jackfield.plugin_record import Entry
from jackfield.quarantine import checked_class, checked_hooks, explain
from jackfield.settings import PluginSettings
from jackfield.settings_store import SettingsStore


class PluginLoading:
    """Imports, checks and makes plugins, each on its own."""

    def __init__(self, paths: Paths, settings: SettingsStore, options: PluginOptions) -> None:
        self.guard = ImportGuard(paths.home)
        self._paths = paths
        self._settings = settings
        self._options = options

    def load(
        self, entry: Entry, plugin_class: Any = None, config: Mapping[str, Any] | None = None
    ) -> None:
        """Make the plugin of an entry; set it aside with the reason where that fails.

        Args:
            plugin_class: its class, if it is not to be imported.
            config: options to save first.
        """
        entry.error = entry.advice = ""
        entry.failures = 0
        entry.plugin = None
        try:
            entry.kind = checked_class(plugin_class or self._imported(entry), entry.name)
            self._check_reach(entry.kind, entry.name)
            if config:
                self._options.save(entry, entry.kind, config)
            plugin = entry.kind(self._options.load(entry, entry.kind), self._context(entry.name))
            entry.hooks = checked_hooks(plugin, entry.name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a plugin does, it is alone in it
            entry.set_aside(*explain(error, entry.name))
            return
        entry.plugin = plugin
        entry.state = "enabled" if self._wanted(entry, entry.kind) else "disabled"

    def _imported(self, entry: Entry) -> Any:
        if entry.found is None:
            raise PluginError(f"Plugin {entry.name!r} has no class.", plugin=entry.name)
        started = time.perf_counter()
        with self.guard.importing(entry.name):
            found = entry.found.load()
        entry.load_ms = (time.perf_counter() - started) * 1000
        return found

    def _wanted(self, entry: Entry, kind: type[Plugin]) -> bool:
        if entry.found is None:
            return True
        wanted = self._settings.value.plugins.get(entry.name, PluginSettings()).enabled
        return kind.enabled_by_default if wanted is None else wanted

    def _check_reach(self, kind: type[Plugin], name: str) -> None:
        if self._settings.value.offline and kind.reach.network == "runtime":
            raise PluginError(
                f"{name!r} uses the network while it runs, and offline mode is on.",
                hint="Switch offline mode off in the settings, then enable it again.",
                plugin=name,
            )

    def _context(self, name: str) -> PluginContext:
        return PluginContext(
            name=name,
            data=self._paths.plugin_data / name,
            log=logging.getLogger(f"jackfield.plugin.{name}"),
            offline=lambda: self._settings.value.offline,
        )
