"""What plugins supply by name: loaders, templates, presets, sources; and who may, if several do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jackfield.plugin_record import Conflict
from jackfield.settings_store import SettingsStore
from jackfield.turn_plugins import Implementation

KINDS: Mapping[str, tuple[str, Callable[[Any], tuple[str, Any]]]] = {
    "loader": ("loaders", lambda kind: (kind.name, kind())),
    "source": ("model_sources", lambda source: (source.name, source)),
    "template": ("chat_templates", lambda template: (template.name, template)),
    "preset": ("sampling_presets", lambda preset: (preset.name, preset)),
}
"""Kind of thing to the hook that supplies it, and how to name and make one."""


class Supply:
    """Asks plugins once, until they change.

    Args:
        implementations: the implementations of a hook, in order.
    """

    def __init__(
        self, implementations: Callable[[str], list[Implementation]], settings: SettingsStore
    ) -> None:
        self._implementations = implementations
        self._settings = settings
        self._offers: dict[str, dict[str, dict[str, Any]]] = {}

    def clear(self) -> None:
        """Forget what plugins supplied: they have changed."""
        self._offers = {}

    def get(self, kind: str) -> dict[str, Any]:
        """Things of a kind by name; those that several offer only once one was chosen."""
        chosen = self._settings.value.choices
        things = {}
        for name, owners in self._asked(kind).items():
            owner = chosen.get(f"{kind}:{name}", "") if len(owners) > 1 else next(iter(owners))
            if owner in owners:
                things[name] = owners[owner]
        return things

    def conflicts(self) -> list[Conflict]:
        """Names that several plugins offer."""
        chosen = self._settings.value.choices
        return [
            Conflict(f"{kind}:{name}", tuple(owners), chosen.get(f"{kind}:{name}"))
            for kind in KINDS
            for name, owners in self._asked(kind).items()
            if len(owners) > 1
        ]

    def _asked(self, kind: str) -> dict[str, dict[str, Any]]:
        """Name to owner to thing."""
        if kind not in self._offers:
            hook, make = KINDS[kind]
            offers: dict[str, dict[str, Any]] = {}
            for one in self._implementations(hook):
                for name, thing in self._ask(one, hook, make):
                    offers.setdefault(name, {})[one.plugin] = thing
            self._offers[kind] = offers
        return self._offers[kind]

    def _ask(
        self, one: Implementation, hook: str, make: Callable[[Any], tuple[str, Any]]
    ) -> list[tuple[str, Any]]:
        try:
            return [make(thing) for thing in one.function() or ()]
        except Exception as error:  # noqa: BLE001 - a plugin's own code runs here
            one.report(f"{hook}: {type(error).__name__}: {error}")
            return []
