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
    """

    text: str
    keys: tuple[str, ...] = ()
    secondary_keys: tuple[str, ...] = ()
    name: str = ""
    enabled: bool = True
    constant: bool = False
    case_sensitive: bool = False
    regex: bool = False
    order: int = 100
    priority: int = 10
    at_start: bool = True


class Character(msgspec.Struct, frozen=True, kw_only=True):
    """Who a model plays. ``{{char}}`` and ``{{user}}`` in its texts stand for the two names.

    Attributes:
        id: what it is chosen by, lower-case and unique.
        greeting: its first message; ``greetings`` are others to begin with.
        examples: example dialogue, each begun by ``<START>``.
        instructions: an agent description in place of the usual one.
        last_words: put after the conversation, to keep the model to its part.
        picture: PNG, JPEG or WebP, b"" for none.
        voice: ``engine/voice``, "" for the usual one.
        sampling: fields of SamplingParams.
        card: everything else that came with it, kept as it was.
    """

    id: str
    name: str
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
    card: dict[str, Any] = msgspec.field(default_factory=dict)
