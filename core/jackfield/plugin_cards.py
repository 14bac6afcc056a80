"""What was last seen of each plugin, to show it and decide on it without importing it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec

from jackfield import toml_file
from jackfield.errors import SettingsError
from jackfield.plugin import Reach


class Card(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a plugin said of itself when it was last imported.

    Attributes:
        stamp: of the version it was, see :class:`jackfield.discovery.Found`.
        killed: its import ended the process.
    """

    stamp: str
    description: str = ""
    reach: Reach = Reach()
    requires_api: str = ""
    enabled_by_default: bool = True
    hooks: tuple[str, ...] = ()
    config_schema: dict[str, Any] = msgspec.field(default_factory=dict)
    killed: bool = False


class Cards:
    """The cards of all plugins, in a file that may be deleted at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cards: dict[str, Card] = {}
        self._saved: dict[str, Card] = {}

    def read(self) -> None:
        """Read the file; one that is missing or broken holds no cards."""
        try:
            self._cards = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Card])
        except (OSError, msgspec.MsgspecError):
            self._cards = {}
        self._saved = dict(self._cards)

    def get(self, name: str, stamp: str) -> Card | None:
        """The card of a plugin as it is now, if that was ever imported."""
        card = self._cards.get(name)
        return card if card is not None and card.stamp == stamp else None

    def put(self, name: str, card: Card) -> None:
        """Keep a card in memory until it is saved."""
        self._cards[name] = card

    def kill(self, name: str, stamp: str) -> None:
        """Note that a plugin's import ends the process."""
        card = self.get(name, stamp) or Card(stamp=stamp)
        self._cards[name] = msgspec.structs.replace(card, killed=True)

    def clear(self, name: str) -> None:
        """Forget what was seen of a plugin."""
        self._cards.pop(name, None)

    def save(self) -> None:
        """Write the file if something changed. A full disk is no reason to stop: it is a cache."""
        if self._cards == self._saved:
            return
        try:
            toml_file.write(self._path, msgspec.json.encode(self._cards).decode())
            self._saved = dict(self._cards)
        except SettingsError as error:
            logging.getLogger(__name__).warning("%s", error.message)
