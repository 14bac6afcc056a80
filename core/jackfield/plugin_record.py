"""What is known of a plugin, whether or not it could be loaded."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from jackfield.discovery import Found
from jackfield.plugin import Plugin, Reach
from jackfield.plugin_cards import Card
from jackfield.sockets import Hook

State = Literal["enabled", "disabled", "set aside"]


class PluginRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin as the Plugins page and the command line show it.

    Attributes:
        path: ``module:Class`` of its entry point, or the path of its file.
        error: why it is set aside, or the last failure of one of its hooks.
        advice: what to do about it.
        load_ms: how long its import took, 0 if it was not imported.
        hooks: the hooks it implements, with their prefix.
        order: its place among all plugins, from 0.
        config_schema: JSON schema of its options; empty if it was never imported.
        config: its options, with secrets as "" (none) or "set".
        failures: how often it has failed in a row.
    """

    name: str
    state: State
    description: str = ""
    distribution: str = ""
    version: str = ""
    origin: Literal["package", "file", "registered"] = "package"
    path: str = ""
    error: str = ""
    advice: str = ""
    reach: Reach = Reach()
    load_ms: float = 0.0
    hooks: tuple[str, ...] = ()
    order: int = 0
    config_schema: dict[str, Any] = msgspec.field(default_factory=dict)
    config: dict[str, Any] = msgspec.field(default_factory=dict)
    requires_api: str = ""
    failures: int = 0


class Conflict(msgspec.Struct, frozen=True):
    """Something that several plugins offer and only one may.

    Attributes:
        what: kind and name, e.g. ``loader:gguf``; kinds are ``loader``, ``source``, ``template``,
            ``preset``, ``page``, and ``plugin`` for two plugins of one name.
        owners: the plugins that offer it; for ``plugin`` the distributions or files.
        chosen: the one the user chose, None if nobody has been asked yet.
    """

    what: str
    owners: tuple[str, ...]
    chosen: str | None


class Entry:
    """The manager's own note of one plugin; changed in place under the manager's lock.

    Attributes:
        found: where it comes from; None if it was registered by a program.
        rivals: the other plugins of this name, none of which was chosen.
        reason: what set it aside: ``offline``, ``options``, ``failures``, ``killed``, ``rivals``,
            or "" for anything else.
        kind: its class, if it was imported.
        plugin: the live object, if it runs.
        card: what was seen of it when it was last imported, now or in an earlier process.
        failures: how often each hook failed in a row; under "" all hooks together.
        started: the plugin was told that it has been started.
    """

    def __init__(self, name: str, found: Found | None) -> None:
        self.name = name
        self.found = found
        self.rivals: tuple[Found, ...] = ()
        self.state: State = "disabled"
        self.reason = ""
        self.error = ""
        self.advice = ""
        self.load_ms = 0.0
        self.failures: dict[str, int] = {}
        self.kind: type[Plugin] | None = None
        self.plugin: Plugin | None = None
        self.hooks: dict[str, Hook] = {}
        self.card: Card | None = None
        self.started = False
        self.switched_on = True  # of one that was registered: the settings say it of the others

    def is_as_found(self, found: Found, disputed: bool) -> bool:
        """Whether the plugin is still the one that was found before.

        Args:
            disputed: others want its name; one that was set aside for that is looked at again.
        """
        old = self.found
        return (
            old is not None
            and (old.path, old.stamp, old.distribution)
            == (found.path, found.stamp, found.distribution)
            and bool(self.rivals) is disputed
            and self.reason != "rivals"
        )

    def set_aside(self, error: str, advice: str, reason: str = "") -> None:
        """Take it out of use, saying why and what to do."""
        self.state = "set aside"
        self.error = error
        self.advice = advice
        self.reason = reason

    def clear(self) -> None:
        """Forget what went wrong."""
        self.error = self.advice = self.reason = ""
        self.failures = {}


def record_of(entry: Entry, order: int, config: dict[str, Any]) -> PluginRecord:
    """What is known of a plugin now."""
    found = entry.found
    card = entry.card or Card(stamp="")
    return PluginRecord(
        name=entry.name,
        state=entry.state,
        description=card.description,
        distribution=found.distribution if found else "",
        version=found.version if found else "",
        origin=found.origin if found else "registered",
        path=found.path if found else "",
        error=entry.error,
        advice=entry.advice,
        reach=card.reach,
        load_ms=entry.load_ms,
        hooks=card.hooks,
        order=order,
        config_schema=card.config_schema,
        config=config,
        requires_api=card.requires_api,
        failures=max(entry.failures.values(), default=0),
    )
