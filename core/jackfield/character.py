"""Characters: who a model plays."""

from __future__ import annotations

from typing import Any

import msgspec


class LoreEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Something a character knows, told to the model when it comes up.

    Attributes:
        keys: words that bring it up, in either's latest messages.
        secondary_keys: where given, one of these must come up as well.
        constant: always told.
        regex: ``keys`` are regular expressions.
        order: lower ones are told first.
        priority: lower ones are dropped first where there is no room.
        at_start: before the character's description, else after it.
        card: the entry of the card that it comes from, as it was.
    """

    text: str
    keys: tuple[str, ...] = ()
    secondary_keys: tuple[str, ...] = ()
    name: str = ""
    enabled: bool = True
    constant: bool = False
    case_sensitive: bool = False
    regex: bool = False
    order: float = 100
    priority: float = 10
    at_start: bool = True
    card: dict[str, Any] = msgspec.field(default_factory=dict)


class Character(msgspec.Struct, frozen=True, kw_only=True):
    """Who a model plays. ``{{char}}`` and ``{{user}}`` in its texts stand for the two names.

    Attributes:
        id: what it is chosen by, lower-case and unique.
        nickname: what ``{{char}}`` stands for in place of the name.
        greeting: its first message; ``greetings`` are others to begin with.
        examples: example dialogue, each begun by ``<START>``.
        instructions: an agent description in place of the usual one.
        last_words: put after the conversation, to keep the model to its part.
        picture: a small PNG, JPEG or WebP to show, b"" for none.
        voice: ``engine/voice``, "" for the usual one.
        sampling: fields of SamplingParams.
        scan_depth: how many of the latest messages bring up lore; 0: as many as usual.
        token_budget: most tokens that lore may take; 0: as many as usual.
        recursive: lore that has come up brings up more.
        card: the card that it comes from, as it was.
    """

    id: str
    name: str
    nickname: str = ""
    description: str = ""
    personality: str = ""
    scenario: str = ""
    greeting: str = ""
    greetings: tuple[str, ...] = ()
    examples: str = ""
    instructions: str = ""
    last_words: str = ""
    creator: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    picture: bytes = b""
    voice: str = ""
    sampling: dict[str, Any] = msgspec.field(default_factory=dict)
    lore: tuple[LoreEntry, ...] = ()
    scan_depth: int = 0
    token_budget: int = 0
    recursive: bool = False
    card: dict[str, Any] = msgspec.field(default_factory=dict)
