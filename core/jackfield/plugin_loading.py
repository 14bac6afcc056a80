"""From an entry to a live plugin, or to the reason why not."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any

import msgspec
from pydantic import ValidationError

from jackfield.errors import PluginError
from jackfield.import_guard import ImportGuard
from jackfield.paths import Paths
from jackfield.plugin import Plugin, PluginContext
from jackfield.plugin_cards import Card
from jackfield.plugin_options import PluginOptions
from jackfield.plugin_record import Entry
from jackfield.quarantine import checked_class, explain
from jackfield.settings_store import SettingsStore
from jackfield.sockets import Sockets


class PluginLoading:
    """Imports, checks and makes plugins, each on its own."""

    def __init__(self, paths: Paths, settings: SettingsStore, options: PluginOptions) -> None:
        self.guard = ImportGuard(paths.home)
        self._sockets = Sockets()
        self._paths = paths
        self._settings = settings
        self._options = options

    def load(
        self, entry: Entry, plugin_class: Any = None, config: Mapping[str, Any] | None = None
    ) -> None:
        """Make the plugin of an entry and plug it in; set it aside where that fails.

        Args:
            plugin_class: its class, if it is not to be imported.
            config: options to save first.
        """
        entry.clear()
        try:
            with self._guarded(entry):
                plugin = self._made(entry, plugin_class, config)
            entry.hooks = self._sockets.plug(entry.name, plugin)
        except KeyboardInterrupt:
            raise
        except ValidationError as error:
            entry.set_aside(*explain(error, entry.name), reason="options")
        except BaseException as error:  # noqa: BLE001 - whatever a plugin does, it is alone in it
            reason = error.details.get("reason", "") if isinstance(error, PluginError) else ""
            entry.set_aside(*explain(error, entry.name), reason=reason)
        else:
            entry.plugin = plugin
            entry.state = "enabled"
            assert entry.card is not None  # made when its class was looked at
            entry.card = msgspec.structs.replace(entry.card, hooks=tuple(sorted(entry.hooks)))

    def unload(self, entry: Entry) -> None:
        """Unplug the plugin of an entry, if it has one."""
        if entry.plugin is not None:
            self._sockets.unplug(entry.plugin)
        entry.plugin = None
        entry.hooks = {}

    def look(self, entry: Entry) -> type[Plugin]:
        """Import the class of a plugin that does not run, to know its options.

        Raises:
            PluginError: that is not possible.
        """
        try:
            with self._guarded(entry):
                return self._inspected(entry, None)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            words, hint = explain(error, entry.name)
            raise PluginError(words, hint=hint, plugin=entry.name) from error

    def _inspected(self, entry: Entry, plugin_class: Any) -> type[Plugin]:
        kind = checked_class(plugin_class or self._imported(entry), entry.name)
        entry.kind = kind
        entry.card = self._card(entry)
        return kind

    def _made(self, entry: Entry, plugin_class: Any, config: Mapping[str, Any] | None) -> Plugin:
        kind = self._inspected(entry, plugin_class)
        self._check_reach(kind, entry.name)
        if config:
            self._options.save(entry, kind, config)
        return kind(self._options.load(entry, kind), self._context(entry.name))

    def _imported(self, entry: Entry) -> Any:
        if entry.found is None:
            raise PluginError(f"Plugin {entry.name!r} has no class.", plugin=entry.name)
        started = time.perf_counter()
        try:
            return entry.found.load()
        finally:
            entry.load_ms = (time.perf_counter() - started) * 1000

    @contextmanager
    def _guarded(self, entry: Entry) -> Iterator[None]:
        """Notice an import that ends the process, and keep what it prints out of our answers."""
        found = entry.found
        guard = self.guard.importing(entry.name, found.stamp) if found else nullcontext()
        with guard, redirect_stdout(sys.stderr):
            yield

    @staticmethod
    def _card(entry: Entry) -> Card:
        kind = entry.kind or Plugin
        lines = (kind.__doc__ or "").strip().splitlines()
        return Card(
            stamp=entry.found.stamp if entry.found else "",
            description=lines[0].strip() if lines else "",
            reach=kind.reach,
            requires_api=kind.requires_api,
            enabled_by_default=bool(kind.enabled_by_default),
            config_schema=kind.Config.model_json_schema(),
        )

    def _check_reach(self, kind: type[Plugin], name: str) -> None:
        if self._settings.value.offline and kind.reach.network == "runtime":
            raise PluginError(
                f"{name!r} uses the network while it runs, and offline mode is on.",
                hint="Switch offline mode off in the settings to use it.",
                plugin=name,
                reason="offline",
            )

    def _context(self, name: str) -> PluginContext:
        return PluginContext(
            name=name,
            data=self._paths.plugin_data / name,
            log=logging.getLogger(f"jackfield.plugin.{name}"),
            offline=lambda: self._settings.value.offline,
        )
