"""What is known of a plugin, whether or not it could be loaded."""

from __future__ import annotations

import inspect
from typing import Any, Literal, Protocol

import msgspec

from jackfield.discovery import Found
from jackfield.plugin import Plugin, Reach

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
        config_schema: JSON schema of its options; empty if it was not imported.
        config: its options, with secrets as "" (none) or "set".
        failures: turn hooks that failed in a row.
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
        what: kind and name, e.g. ``loader:gguf``.
        owners: the plugins that offer it.
        chosen: the one the user chose, None if nobody has been asked yet.
    """

    what: str
    owners: tuple[str, ...]
    chosen: str | None


class Entry:
    """The manager's own note of one plugin; changed in place under the manager's lock."""

    def __init__(self, name: str, found: Found | None) -> None:
        self.name = name
        self.found = found
        self.state: State = "disabled"
        self.error = ""
        self.advice = ""
        self.load_ms = 0.0
        self.failures = 0
        self.kind: type[Plugin] | None = None
        self.plugin: Plugin | None = None
        self.hooks: tuple[str, ...] = ()

    def set_aside(self, error: str, advice: str) -> None:
        """Take it out of use, saying why and what to do."""
        self.state = "set aside"
        self.error = error
        self.advice = advice


class Options(Protocol):
    """What shows a plugin's options."""

    def shown(self, entry: Entry, kind: type[Plugin]) -> dict[str, Any]:
        """Options as JSON, without secrets."""


def record_of(entry: Entry, order: int, options: Options) -> PluginRecord:
    """What is known of a plugin now."""
    kind, found = entry.kind, entry.found
    return PluginRecord(
        name=entry.name,
        state=entry.state,
        description=(inspect.getdoc(kind) or "").split("\n")[0] if kind else "",
        distribution=found.distribution if found else "",
        version=found.version if found else "",
        origin=found.origin if found else "registered",
        path=found.path if found else "",
        error=entry.error,
        advice=entry.advice,
        reach=kind.reach if kind else Reach(),
        load_ms=entry.load_ms,
        hooks=entry.hooks,
        order=order,
        config_schema=kind.Config.model_json_schema() if kind else {},
        config=options.shown(entry, kind) if kind else {},
        requires_api=kind.requires_api if kind else "",
        failures=entry.failures,
    )
