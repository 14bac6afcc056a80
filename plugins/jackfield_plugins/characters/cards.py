"""Character cards of the public specifications V1, V2 and V3, as JSON values.

A card that is read is kept whole. What is written is that card again with the edited fields laid
over it, so everything that other programs put there stays.
"""

from __future__ import annotations

import copy
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jackfield import Character, InvalidRequest, LoreEntry, SamplingParams

from .decorators import without_decorators

Card: TypeAlias = dict[str, Any]
Version: TypeAlias = Literal[2, 3]
M = TypeVar("M", bound=BaseModel)

SPECS: dict[Version, tuple[str, str]] = {2: ("chara_card_v2", "2.0"), 3: ("chara_card_v3", "3.0")}
OWN = "jackfield"
"""Where our own fields lie within ``extensions``."""

NAMES = {
    "name": "name",
    "nickname": "nickname",
    "description": "description",
    "personality": "personality",
    "scenario": "scenario",
    "greeting": "first_mes",
    "greetings": "alternate_greetings",
    "examples": "mes_example",
    "instructions": "system_prompt",
    "last_words": "post_history_instructions",
    "creator": "creator",
    "notes": "creator_notes",
    "tags": "tags",
}
"""Fields of a Character to those of a card."""
BOOK_NAMES = {
    "scan_depth": "scan_depth",
    "token_budget": "token_budget",
    "recursive": "recursive_scanning",
}
ENTRY_NAMES = {
    "text": "content",
    "keys": "keys",
    "name": "name",
    "enabled": "enabled",
    "constant": "constant",
    "case_sensitive": "case_sensitive",
    "regex": "use_regex",
    "order": "insertion_order",
    "priority": "priority",
}
V1_TEXTS = ("description", "personality", "scenario", "first_mes", "mes_example")
V1_FIELDS = frozenset({"name", *V1_TEXTS})
"""Some programs write these beside ``data`` as well."""
DATA_FIELDS = (*NAMES.values(), "character_version", "character_book", "extensions")
"""What lies in ``data`` since the second version; a few cards of the first have it as well."""


class _Lenient(BaseModel):
    """What is left out or null has its default, and what is not used is not looked at."""

    model_config = ConfigDict(extra="ignore", defer_build=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: one for name, one in value.items() if one is not None}


class _Entry(_Lenient):
    content: str = ""
    keys: list[str] = []
    secondary_keys: list[str] = []
    selective: bool = False
    name: str = ""
    enabled: bool = True
    constant: bool = False
    case_sensitive: bool = False
    use_regex: bool = False
    insertion_order: float = 100
    priority: float = 10
    position: str | int = ""
    extensions: dict[str, Any] = {}


class _Book(_Lenient):
    scan_depth: float = Field(0, ge=0, le=100_000)
    token_budget: float = Field(0, ge=0, le=10_000_000)
    recursive_scanning: bool = False
    extensions: dict[str, Any] = {}
    entries: list[_Entry] = []


class _Data(_Lenient):
    name: str = Field(min_length=1, max_length=1000)
    nickname: str = ""
    description: str = ""
    personality: str = ""
    scenario: str = ""
    first_mes: str = ""
    mes_example: str = ""
    creator_notes: str = ""
    system_prompt: str = ""
    post_history_instructions: str = ""
    alternate_greetings: list[str] = []
    tags: list[str] = []
    creator: str = ""
    extensions: dict[str, Any] = {}
    character_book: _Book = _Book()


class _Own(_Lenient):
    voice: str = Field("", max_length=200)
    sampling: dict[str, Any] = {}


def version_of(card: Any) -> Literal[1, 2, 3]:
    """Which specification a card follows.

    Raises:
        InvalidRequest: it is no character card.
    """
    if not isinstance(card, dict):
        raise _no_card(f"it is a JSON {_kind(card)}, not an object", "file")
    spec = card.get("spec")
    if spec is None:
        if isinstance(card.get("name"), str) and any(name in card for name in V1_TEXTS):
            return 1
        raise _no_card("it has no field 'spec', and is no card of the first version either", "spec")
    for version, (name, _) in SPECS.items():
        if spec == name:
            return version
    known = " and ".join(repr(name) for name, _ in SPECS.values())
    raise _no_card(f"its field 'spec' is {_short(spec)}; known are {known}", "spec")


def read(card: Any, id_: str = "") -> Character:
    """The character of a card.

    Raises:
        InvalidRequest: it is no card, or a field of it is not what it should be.
    """
    version = version_of(card)
    where = "data." if version > 1 else ""
    if version > 1 and not isinstance(card.get("data"), dict):
        raise _no_card("its field 'data' is not an object", "data")
    source: Card = card["data"] if version > 1 else card
    data = _valid(_Data, source, where)
    ours = f"{where}extensions.{OWN}."
    own = _valid(_Own, data.extensions.get(OWN) or {}, ours)
    book = source.get("character_book") or {}
    return Character(
        id=id_,
        **{field: _frozen(getattr(data, name)) for field, name in NAMES.items()},
        voice=own.voice,
        sampling=checked_sampling(own.sampling, f"{ours}sampling."),
        lore=tuple(
            _lore_entry(entry, one)
            for entry, one in zip(
                data.character_book.entries, book.get("entries") or (), strict=True
            )
        ),
        scan_depth=int(data.character_book.scan_depth),
        token_budget=int(data.character_book.token_budget),
        recursive=data.character_book.recursive_scanning,
        card=card,
    )


def notes_on(card: Card) -> list[str]:
    """What the user should know of a card that can be read."""
    version = version_of(card)
    if version == 1:
        return ["This card is of the first version of the format; it is kept as version 2."]
    said = str(card.get("spec_version", ""))
    known = SPECS[version][1]
    try:
        is_newer = float(said) > float(known)
    except ValueError:
        is_newer = False
    if is_newer:
        return [f"This card follows version {said}: what is new there is kept, but not used."]
    return []


def own_version(character: Character) -> Version:
    """The version of the card that a character comes from; 3 for one without."""
    return 2 if character.card and version_of(character.card) < 3 else 3


def write(character: Character, version: Version | None = None) -> Card:
    """The card that a character comes from, with what was edited laid over it.

    Args:
        version: None for the card's own.
    """
    version = version or own_version(character)
    card = copy.deepcopy(character.card)
    before = read(character.card) if card else Character(id="", name="")
    card = _as_version(card, version)
    data = card["data"]
    for field, name in NAMES.items():
        value = getattr(character, field)
        if value != getattr(before, field):
            data[name] = _plain(value)
            if name in V1_FIELDS and name in card:
                card[name] = value
    _write_own(data, character, before)
    _write_book(data, character, before, version)
    return card


def checked_sampling(values: dict[str, Any], where: str) -> dict[str, Any]:
    """Sampling parameters as they are, if they are right.

    Args:
        where: what stands before their names in an error.

    Raises:
        InvalidRequest: there is no such parameter, or the value is out of bounds.
    """
    try:
        SamplingParams.model_validate(values)
    except ValidationError as error:
        raise _wrong(error, where) from error
    return values


def _valid(model: type[M], value: Any, where: str) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _wrong(error, where) from error


def _lore_entry(entry: _Entry, one: Card) -> LoreEntry:
    return LoreEntry(
        **{field: _frozen(getattr(entry, name)) for field, name in ENTRY_NAMES.items()},
        secondary_keys=tuple(entry.secondary_keys) if entry.selective else (),
        at_start=entry.position != "after_char",
        card=one,
    )


def _as_version(card: Card, version: Version) -> Card:
    """A card in the form of a version; one that has it already stays as it is."""
    is_now = version_of(card) if card else 0
    if is_now == version:
        return card
    spec, spec_version = SPECS[version]
    first = {name: card[name] for name in DATA_FIELDS if card.get(name) is not None}
    data = card["data"] if is_now > 1 else first
    made = {**card, "spec": spec, "spec_version": spec_version, "data": data}
    for name in (*V1_FIELDS, *NAMES.values(), "character_version"):
        if name != "nickname":
            is_list = name in ("alternate_greetings", "tags")
            data.setdefault(name, [] if is_list else "")
    data.setdefault("extensions", {})
    if version == 3:
        data.setdefault("group_only_greetings", [])
    for entry in (data.get("character_book") or {}).get("entries") or ():
        if version == 3:
            entry.setdefault("use_regex", False)
        elif is_now == 3:
            entry["content"] = without_decorators(entry.get("content") or "")
    return made


def _write_own(data: Card, character: Character, before: Character) -> None:
    """Voice and sampling parameters, which the specifications have no place for."""
    for name in ("voice", "sampling"):
        value = getattr(character, name)
        if value == getattr(before, name):
            continue
        extensions = data["extensions"] = data.get("extensions") or {}
        own = extensions.setdefault(OWN, {})
        own.pop(name, None)
        if value:
            own[name] = value
        if not own:
            del extensions[OWN]


def _write_book(data: Card, character: Character, before: Character, version: Version) -> None:
    fields = [
        (name, getattr(character, field))
        for field, name in BOOK_NAMES.items()
        if getattr(character, field) != getattr(before, field)
    ]
    if not fields and character.lore == before.lore:
        return
    book = data["character_book"] = data.get("character_book") or {"extensions": {}, "entries": []}
    book.update(fields)
    if character.lore != before.lore:
        book["entries"] = [_write_entry(entry, version) for entry in character.lore]


def _write_entry(entry: LoreEntry, version: Version) -> Card:
    card = copy.deepcopy(entry.card)
    before = _lore_entry(_Entry.model_validate(card), card)
    if not card:
        card = {"keys": [], "content": "", "extensions": {}, "enabled": True}
        card |= {"insertion_order": 100, "position": "before_char"}
    for field, name in ENTRY_NAMES.items():
        value = getattr(entry, field)
        if value != getattr(before, field):
            card[name] = _plain(value)
    if entry.secondary_keys != before.secondary_keys:
        card |= {"selective": bool(entry.secondary_keys), "secondary_keys": [*entry.secondary_keys]}
    if entry.at_start != before.at_start:
        card["position"] = "before_char" if entry.at_start else "after_char"
    if version == 3:
        card.setdefault("use_regex", False)
    return card


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """A value as JSON has it; whole numbers without a decimal point."""
    if isinstance(value, tuple):
        return [*value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _wrong(error: ValidationError, where: str) -> InvalidRequest:
    first = error.errors(include_url=False)[0]
    param = where + ".".join(str(one) for one in first["loc"])
    said = first["msg"][:1].lower() + first["msg"][1:]
    got = "" if first["type"] == "missing" else f" (it is {_short(first['input'])})"
    return _no_card(f"its field '{param}' is wrong: {said}{got}", param)


def _no_card(why: str, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"This is no character card that can be read: {why}.",
        hint="Character cards of version 1, 2 and 3 can be read, as PNG, JSON or CHARX.",
        param=param,
    )


def _kind(value: Any) -> str:
    kinds = {list: "list", str: "text", bool: "truth value", type(None): "null"}
    return kinds.get(type(value), "number")


def _short(value: Any) -> str:
    shown = msgspec.json.encode(value).decode()
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
