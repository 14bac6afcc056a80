"""What the page, the routes and the commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jackfield import Character, InvalidRequest

from . import cards, files

if TYPE_CHECKING:
    from . import Characters

BRIEF = ("id", "name", "creator", "notes", "tags", "voice")


def brief(plugin: Characters, character: Character) -> dict[str, Any]:
    """A character in a list."""
    return {
        **{name: getattr(character, name) for name in BRIEF},
        "lore": len(character.lore),
        "read_only": plugin.is_own(character.id),
    }


def found(plugin: Characters, id_: str) -> Character:
    """A character, of the user's or of those that come with Jackfield.

    Raises:
        NotFound: there is none of that id.
    """
    return plugin.store.own().get(id_) or plugin.store.get(id_)


def shown(plugin: Characters, character: Character) -> dict[str, Any]:
    """A character with its card."""
    return {**brief(plugin, character), "card": cards.write(character)}


def exported(
    plugin: Characters, character: Character, format_: str, version: str | None = None
) -> bytes:
    """A file of a character.

    Args:
        format_: ``png`` or ``json``.
        version: ``2`` or ``3``; None for the card's own.
    """
    number: cards.Version | None = None if version is None else 2 if version == "2" else 3
    if format_ == "json":
        return files.to_json(character, number)
    picture = b"" if plugin.is_own(character.id) else plugin.store.picture(character.id)
    return files.to_png(character, picture, number)


def changeable(plugin: Characters, id_: str) -> None:
    """See that a character can be changed.

    Raises:
        InvalidRequest: it comes with Jackfield.
        NotFound: there is none.
    """
    if plugin.is_own(id_):
        raise InvalidRequest(
            f"The character {id_!r} comes with Jackfield and cannot be changed.",
            hint="Make a copy and change that.",
            param="id",
        )
    plugin.store.get(id_)
