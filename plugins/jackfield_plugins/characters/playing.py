"""What the model is told so that it plays a character."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec
import regex

from jackfield import Character, Message, message

from .lorebook import Lorebook, Told
from .macros import Names, filled

if TYPE_CHECKING:
    from jackfield.pipeline import Turn

LORE_SHARE = 0.25
"""Most of the model's context that lore may fill."""
EXAMPLES_SHARE = 0.25
"""Most of the model's context that example dialogue may fill."""
RESERVE = 512
"""Tokens kept free for a reply of unlimited length, but never more than a quarter."""
ORIGINAL = regex.compile(r"\{\{original\}\}", regex.IGNORECASE)
START = regex.compile(r"<START>", regex.IGNORECASE)


class Playing:
    """A character in one turn.

    Args:
        usual: instructions for characters that bring none, in chats without agent description.
        scan_depth: how many of the latest messages bring up lore.
        lore_tokens: most tokens of lore.
        greeting: which greeting the chat began with; None: it is put before none.

    Attributes:
        character: who is played.
        names: of the two.
        rows: what was told and what was not, for the inspector.
    """

    def __init__(
        self,
        character: Character,
        names: Names,
        *,
        usual: str,
        scan_depth: int,
        lore_tokens: int,
        greeting: int | None = None,
    ) -> None:
        self.character = character
        self.names = names
        self._greeting = greeting
        self._usual = usual
        self._budget = character.token_budget or lore_tokens
        self._lorebook = Lorebook(character, names, scan_depth=scan_depth, greeting=greeting or 0)
        self.rows: list[dict[str, Any]] = []

    async def messages(self, messages: Sequence[Message], turn: Turn) -> list[Message]:
        """The conversation with what the character is before it."""
        system = "\n\n".join(one.text for one in messages if one.role == "system").strip()
        spoken = [one for one in messages if one.role != "system"]
        found = await anyio.to_thread.run_sync(self._lorebook.told, spoken)
        told = await self._fitting(found, turn)
        begun = ""
        if spoken and spoken[0].role == "assistant" and _wants_user_first(turn):
            begun = f"{self.names.char} has begun the conversation with:\n{spoken[0].text}"
            spoken = spoken[1:]
        text = self.description(system, told, begun)
        examples = await self._examples(text, spoken, turn)
        for problem in self._lorebook.problems:
            turn.tell(problem, "warning")
        size = await turn.count(text + examples)
        self.rows.insert(0, self._row(self.character.name, "who the model plays", size))
        return [message("system", (text + examples).strip()), *spoken]

    def greeting(self) -> str:
        """The greeting that the request wants before its conversation, "" for none."""
        many = greetings(self.character)
        if self._greeting is None or not 0 <= self._greeting < len(many):
            return ""
        return self._filled(many[self._greeting])

    def last_words(self, text: str) -> str:
        """The user's last message with what is to be said after it."""
        words = self._filled(ORIGINAL.sub("", self.character.last_words))
        return f"{text}\n\n[{words}]" if words else text

    def description(self, system: str = "", told: Sequence[Told] = (), begun: str = "") -> str:
        """Instructions and who the character is, as the model reads them.

        Args:
            system: the chat's agent description.
            told: the lore that has come up.
            begun: in words, how the character has begun the conversation.
        """
        char, character = self.names.char, self.character
        own = character.instructions.strip()
        instructions = ORIGINAL.sub(lambda _: system, own) if own else system or self._usual
        before = [one.text for one in told if one.at_start]
        after = [one.text for one in told if not one.at_start]
        parts = [
            self._filled(instructions),
            *before,
            self._labelled(f"Who {char} is:", character.description),
            self._labelled(f"{char}'s personality:", character.personality),
            self._labelled("Where things stand:", character.scenario),
            *after,
            begun,
        ]
        return "\n\n".join(part for part in parts if part)

    async def _fitting(self, found: Sequence[Told], turn: Turn) -> list[Told]:
        """The lore that there is room for; what matters least is dropped first."""
        limit = turn.info.context_length if turn.info else 0
        room = min(self._budget, int(limit * LORE_SHARE))
        sizes = await asyncio.gather(*(turn.count(one.text) for one in found))
        kept: list[Told] = []
        by_weight = sorted(
            zip(found, sizes, strict=True),
            key=lambda one: (-one[0].entry.priority, -one[0].entry.order),
        )
        for one, size in by_weight:
            fits = size <= room
            if fits:
                room -= size
                kept.append(one)
            what = one.entry.name or one.text[:60]
            why = one.why if fits else f"{one.why}; dropped: no room"
            self.rows.append(self._row(what, why, size))
        return [one for one in found if one in kept]

    async def _examples(self, text: str, spoken: Sequence[Message], turn: Turn) -> str:
        """As much of the example dialogue as there is room for beside the conversation."""
        blocks = [one.strip() for one in START.split(self.character.examples) if one.strip()]
        if not blocks or turn.info is None:
            return ""
        blocks = [self._filled(one) for one in blocks]
        limit = turn.info.context_length
        reserve = min(turn.sampling.max_tokens or RESERVE, limit // 4)
        needed = "\n".join([text, *(one.text for one in spoken)])
        used, *sizes = await asyncio.gather(*(turn.count(one) for one in [needed, *blocks]))
        room = min(limit - reserve - used - 8 * len(spoken), int(limit * EXAMPLES_SHARE))
        kept = 0
        while kept < len(blocks) and sizes[kept] <= room:
            room -= sizes[kept]
            kept += 1
        if kept < len(blocks):
            why = f"{len(blocks) - kept} of {len(blocks)} dropped: no room"
            self.rows.append(self._row("example dialogue", why, sum(sizes[kept:])))
        if not kept:
            return ""
        talk = "\n\n".join(blocks[:kept])
        return f"\n\nHow {self.names.char} talks, for example:\n{talk}"

    def _labelled(self, label: str, text: str) -> str:
        text = self._filled(text)
        return f"{label}\n{text}" if text else ""

    def _filled(self, text: str) -> str:
        return filled(text, self.names).strip()

    def _row(self, what: str, why: str, tokens: int) -> dict[str, Any]:
        return {"what": what, "why": why, "tokens": tokens}


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a chat or a request says to this plugin.

    Attributes:
        character: the id of the one who is played, "" for none.
        user: the user's name, "" for the usual one.
        greeting: the greeting that the chat begins with; 0 is the first. None: no greeting is
            put before a conversation that has none.
    """

    character: str = ""
    user: str = ""
    greeting: int | None = None


def greetings(character: Character) -> list[str]:
    """A character's greetings, the usual one first."""
    return [one for one in (character.greeting, *character.greetings) if one.strip()]


def _wants_user_first(turn: Turn) -> bool:
    """Whether the model's template refuses a conversation that the assistant begins.

    Such templates say that the roles must alternate.
    """
    return turn.info is not None and "alternat" in turn.info.chat_template
