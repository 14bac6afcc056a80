"""Decorators of lore entries, as Character Card V3 has them: lines ``@@name value`` at the top.

A line ``@@@name value`` stands in for the one before it where that is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class Decorated(msgspec.Struct, frozen=True, kw_only=True):
    """What the decorators of an entry ask for; those that are left out are None or empty.

    Attributes:
        text: the entry's text without them.
        activate: True: told in any case; False: in none.
        scan_depth: how many of the latest messages bring it up.
        additional_keys: of each of these sets of keys one must come up as well.
        exclude_keys: none of these may come up.
        only_after: not before the character has said so many messages.
        only_every: only when their number can be divided by this.
        greeting: only in a chat that began with this greeting.
        before: True: before the description; False: after it.
    """

    text: str
    activate: bool | None = None
    scan_depth: int | None = None
    additional_keys: tuple[tuple[str, ...], ...] = ()
    exclude_keys: tuple[str, ...] = ()
    only_after: int | None = None
    only_every: int | None = None
    greeting: int | None = None
    before: bool | None = None


def _words(value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError(value)
    return number


READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "activate": ("activate", lambda value: True),
    "dont_activate": ("activate", lambda value: False),
    "scan_depth": ("scan_depth", _positive),
    "additional_keys": ("additional_keys", _words),
    "exclude_keys": ("exclude_keys", _words),
    "activate_only_after": ("only_after", int),
    "activate_only_every": ("only_every", _positive),
    "is_greeting": ("greeting", int),
    "position": ("before", {"before_desc": True, "after_desc": False}.__getitem__),
}
"""Decorators that are honoured: the field they set, and what reads their value."""


def decorated(content: str) -> Decorated:
    """The decorators of an entry's text; unknown ones and wrong values are passed over."""
    if not content.lstrip().startswith("@@"):
        return Decorated(text=content)
    found: dict[str, Any] = {}
    lines = content.split("\n")
    is_known = False
    while lines and (lines[0].startswith("@@") or not lines[0].strip()):
        line = lines.pop(0).strip()
        if not line or (line.startswith("@@@") and is_known):
            continue
        is_known = _note(line.lstrip("@"), found)
    return Decorated(text="\n".join(lines).strip("\n"), **found)


def without_decorators(content: str) -> str:
    """An entry's text alone; one that has no decorators stays as it is."""
    return decorated(content).text


def _note(line: str, found: dict[str, Any]) -> bool:
    """Note what a decorator asks for; whether it is known and right."""
    name, _, value = line.partition(" ")
    if name not in READERS:
        return False
    field, read = READERS[name]
    try:
        given = read(value.strip())
    except (ValueError, KeyError):
        return False
    if field == "additional_keys":
        found[field] = (*found.get(field, ()), given)
    elif field == "activate":
        found[field] = given or found.get(field, False)
    else:
        found.setdefault(field, given)
    return True
