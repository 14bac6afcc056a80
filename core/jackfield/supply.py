"""What plugins supply by name, and who may where several offer the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jackfield.catalog.source import ModelSource
from jackfield.character import Character
from jackfield.documents import DocumentReader
from jackfield.loader import Loader
from jackfield.page_check import wrong_page
from jackfield.plugin_record import Conflict
from jackfield.sampling import SamplingPreset
from jackfield.speech import SpeechRecognizer, SpeechSynthesizer
from jackfield.templates.template import ChatTemplate
from jackfield.tools import NAME, Tool, ToolCallParser
from jackfield.translation import Translator
from jackfield.turn_plugins import Implementation

HOOKS: Mapping[str, str] = {
    "loader": "loaders",
    "source": "model_sources",
    "template": "chat_templates",
    "preset": "sampling_presets",
    "page": "pages",
    "character": "characters",
    "tool": "tools",
    "parser": "tool_call_parsers",
    "reader": "document_readers",
    "synthesizer": "speech_synthesizers",
    "recognizer": "speech_recognizers",
    "translator": "translators",
}
"""Kind of thing to the hook that supplies it."""

TYPES: Mapping[str, type] = {
    "source": ModelSource,
    "template": ChatTemplate,
    "preset": SamplingPreset,
    "character": Character,
    "tool": Tool,
    "parser": ToolCallParser,
    "reader": DocumentReader,
    "synthesizer": SpeechSynthesizer,
    "recognizer": SpeechRecognizer,
    "translator": Translator,
}
"""Kind of thing to its type; pages and loaders are looked at more closely."""

ASKED_ANEW = frozenset({"page", "character", "tool"})
"""Kinds that change while plugins stay the same."""

Offers = dict[str, dict[str, Any]]
"""Name to owner to thing."""


class Supply:
    """What one set of running plugins supplies; another set has another.

    Args:
        live: the implementations of each hook, in order.
        choices: what the user answered, ``kind:name`` to owner.
        icons: names of the icons that a page may have.
    """

    def __init__(
        self,
        live: Mapping[str, tuple[Implementation, ...]],
        choices: Callable[[], Mapping[str, str]],
        icons: Callable[[], frozenset[str]],
    ) -> None:
        self._live = live
        self._choices = choices
        self._icons = icons
        self._kept: dict[str, Offers] = {}

    def get(self, kind: str) -> dict[str, Any]:
        """Things of a kind by name; those that several offer only once one was chosen."""
        return self._chosen(self._offers(kind), kind)

    def _chosen(self, offers: Offers, kind: str) -> dict[str, Any]:
        chosen = self._choices()
        things = {}
        for name, owners in offers.items():
            owner = chosen.get(f"{kind}:{name}", "") if len(owners) > 1 else next(iter(owners))
            if owner in owners:
                things[name] = owners[owner]
        return things

    def owned(self, kind: str) -> list[tuple[str, Any]]:
        """Things of a kind with their plugins' names."""
        offers = self._offers(kind)
        owners = {id(thing): owner for many in offers.values() for owner, thing in many.items()}
        return [(owners[id(thing)], thing) for thing in self._chosen(offers, kind).values()]

    def conflicts(self) -> list[Conflict]:
        """Names that several plugins offer."""
        chosen = self._choices()
        return [
            Conflict(f"{kind}:{name}", tuple(owners), _valid(chosen, f"{kind}:{name}", owners))
            for kind in HOOKS
            for name, owners in self._offers(kind).items()
            if len(owners) > 1
        ]

    def _offers(self, kind: str) -> Offers:
        kept = self._kept.get(kind)
        if kept is not None:
            return kept
        offers: Offers = {}
        icons = self._icons() if kind == "page" and self._live.get("pages") else frozenset()
        for one in self._live.get(HOOKS[kind], ()):
            for given in one.ask(HOOKS[kind], many=True):
                try:
                    name, thing = _named(kind, given, icons)
                except Exception as error:  # noqa: BLE001 - a plugin's own code runs here
                    one.note(HOOKS[kind], f"{type(error).__name__}: {error}")
                    continue
                if one.plugin in offers.get(name, {}):
                    one.note(HOOKS[kind], f"it offers the {kind} {name!r} twice")
                    continue
                offers.setdefault(name, {})[one.plugin] = thing
        if kind not in ASKED_ANEW:
            self._kept[kind] = offers
        return offers


def _valid(chosen: Mapping[str, str], what: str, owners: Iterable[str]) -> str | None:
    """The choice that was made, unless that plugin no longer offers it."""
    return next((owner for owner in owners if owner == chosen.get(what)), None)


def _named(kind: str, given: Any, icons: frozenset[str]) -> tuple[str, Any]:
    """A thing and its name. Raises TypeError where it is not what it should be."""
    if kind == "page":
        if wrong := wrong_page(given, icons):
            raise TypeError(wrong)
        return given.url_path, given
    if kind == "loader":
        is_class = isinstance(given, type) and issubclass(given, Loader)
        if not is_class and not isinstance(given, Loader):
            raise TypeError(f"{given!r} is not a class derived from jackfield.Loader, nor one made")
        thing: Any = given() if is_class else given
    else:
        wanted = TYPES[kind]
        if not isinstance(given, wanted):
            raise TypeError(f"{given!r} is not a jackfield.{wanted.__name__}")
        thing = given
    name = thing.id if kind == "character" else thing.name
    if not isinstance(name, str) or not name:
        raise TypeError(f"{given!r} has no name")
    if kind == "tool" and not re.fullmatch(NAME, name):
        raise TypeError(f"{name!r} is no name of a tool: letters, digits, _ and -, at most 64")
    return name, thing
