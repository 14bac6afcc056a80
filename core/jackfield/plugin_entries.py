"""The plugins that are known, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches

from jackfield.errors import PluginNotFound
from jackfield.plugin_record import Conflict, Entry


class Entries:
    """The manager's notes of all plugins."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def find(self, name: str) -> Entry | None:
        """The entry of a name, or None."""
        return self._entries.get(name)

    def get(self, name: str) -> Entry:
        """The entry of a name.

        Raises:
            PluginNotFound: there is none.
        """
        if name not in self._entries:
            near = next(iter(get_close_matches(name, self._entries, n=1)), None)
            raise PluginNotFound(
                f"There is no plugin {name!r}.",
                hint=f"Did you mean {near!r}?" if near else "jackfield plugins list shows all.",
                name=name,
                nearest=near,
            )
        return self._entries[name]

    def add(self, entry: Entry) -> Entry:
        """Keep an entry."""
        self._entries[entry.name] = entry
        return entry

    def remove(self, entry: Entry) -> None:
        """Forget an entry."""
        self._entries.pop(entry.name, None)

    def conflicts(self, choices: Mapping[str, str]) -> list[Conflict]:
        """Names that several distributions or files want."""
        conflicts = []
        for entry in self:
            if entry.rivals:
                owners = tuple(one.owner for one in entry.rivals)
                chosen = choices.get(f"plugin:{entry.name}")
                conflicts.append(
                    Conflict(f"plugin:{entry.name}", owners, chosen if chosen in owners else None)
                )
        return conflicts


def in_order(entries: Iterable[Entry], order: Sequence[str]) -> list[Entry]:
    """Entries in the user's order; those that have no place in it come after, by name."""
    places = {name: place for place, name in enumerate(order)}
    return sorted(entries, key=lambda one: (places.get(one.name, len(places)), one.name))
