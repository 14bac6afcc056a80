"""A reply as it comes: reasoning split off, text collected, saved once in a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from jackfield.errors import ConversationNotFound
from jackfield.messages import (
    Event,
    Message,
    Part,
    ReasoningEvent,
    ReplacedEvent,
    TextEvent,
    TextPart,
    TokenLogprob,
    ToolCallEvent,
    ToolResultEvent,
    UsageEvent,
)
from jackfield.pipeline.turn import Turn
from jackfield.trace import Trace

if TYPE_CHECKING:
    from jackfield.conversations import Conversations
    from jackfield.conversations.model import State

SAVE_EVERY = 0.5
OPENS, CLOSES = "<think>", "</think>"


class ReasoningSplitter:
    """Takes a leading ``<think>`` block out of a reply.

    Args:
        inside: the prompt has opened the block already.
        begun: the reply has begun already, so that no block can come.
    """

    def __init__(self, *, inside: bool = False, begun: bool = False) -> None:
        self._held = ""
        self._state = "inside" if inside else "text" if begun else "start"
        self._after_tag = inside  # line breaks that follow a tag belong to it

    def feed(self, text: str, logprobs: tuple[TokenLogprob, ...] = ()) -> list[Event]:
        """The events that a piece of the reply makes."""
        if self._state == "text":
            return self._text(text, logprobs)
        self._held += text
        if self._state == "start":
            begun = self._held.lstrip()
            if len(begun) < len(OPENS) and OPENS.startswith(begun):
                return []
            if not begun.startswith(OPENS):
                return self._to_text(logprobs)
            self._held = begun.removeprefix(OPENS)
            self._state, self._after_tag = "inside", True
        return self._inside(logprobs)

    def finish(self) -> list[Event]:
        """What was held back at the end of the reply."""
        held, self._held = self._held, ""
        if not held:
            return []
        return [ReasoningEvent(held)] if self._state == "inside" else [TextEvent(held)]

    def _inside(self, logprobs: tuple[TokenLogprob, ...]) -> list[Event]:
        if self._after_tag:
            self._held = self._held.lstrip("\n")
            self._after_tag = not self._held
        thought, closed, rest = self._held.partition(CLOSES)
        if closed:
            self._held, self._after_tag = rest, True
            events: list[Event] = [ReasoningEvent(thought)] if thought else []
            return events + self._to_text(logprobs)
        lengths = range(len(CLOSES) - 1, 0, -1)
        keep = next((size for size in lengths if self._held.endswith(CLOSES[:size])), 0)
        cut = len(self._held) - keep
        thought, self._held = self._held[:cut], self._held[cut:]
        return [ReasoningEvent(thought)] if thought else []

    def _to_text(self, logprobs: tuple[TokenLogprob, ...]) -> list[Event]:
        self._state = "text"
        held, self._held = self._held, ""
        return self._text(held, logprobs)

    def _text(self, text: str, logprobs: tuple[TokenLogprob, ...]) -> list[Event]:
        if self._after_tag:
            text = text.lstrip("\n")
            self._after_tag = not text
            logprobs = logprobs if text else ()
        return [TextEvent(text, logprobs)] if text or logprobs else []


class ReplyWriter:
    """Collects a reply and keeps it in the database, if the turn belongs to a chat.

    Writing happens in a thread beside the stream, every half second at most.
    """

    def __init__(self, turn: Turn, conversations: Callable[[], Conversations]) -> None:
        self._turn = turn
        self._conversations = conversations
        self._pieces: list[str] = []  # of the text since the last part
        self._parts: list[Part] = []  # what came before it
        self._reasoning: list[str] = []
        self._adding: asyncio.Task[None] | None = None
        self._saving: asyncio.Task[None] | None = None
        self._saved = time.monotonic()

    @property
    def text(self) -> str:
        """The reply so far, with what it continues."""
        before = "".join(part.text for part in self._parts if isinstance(part, TextPart))
        return before + "".join(self._pieces)

    def begin(self, continued: Message) -> None:
        """Start with the text of a reply that is continued."""
        *before, last = continued.parts or (TextPart(""),)
        self._parts += before
        if isinstance(last, TextPart):
            self._pieces.append(last.text)
        else:
            self._parts.append(last)
        self._reasoning.append(continued.reasoning)

    def take(self, event: Event) -> None:
        """Add an event's text; save if it is time.

        Raises:
            ConversationNotFound: there is no such chat, or no such message in it.
        """
        if isinstance(event, TextEvent):
            self._pieces.append(event.text)
        elif isinstance(event, ReasoningEvent):
            self._reasoning.append(event.text)
        elif isinstance(event, ReplacedEvent):
            self._parts = [one for one in self._parts if not isinstance(one, TextPart)]
            self._pieces = [event.text]
        elif isinstance(event, ToolCallEvent):
            self._add_part(event.call)
        elif isinstance(event, ToolResultEvent):
            self._add_part(event.result)
        if self._turn.conversation is None:
            return
        if self._adding is None:  # not before the first token, which it would delay
            self._adding = asyncio.create_task(self._add(self._turn.conversation))
        elif self._adding.done():
            self._adding.result()
            self._save_if_due()

    async def begun(self) -> None:
        """Have the message in the chat.

        Raises:
            ConversationNotFound: there is no such chat, or no such message in it.
        """
        if self._turn.conversation is None:
            return
        if self._adding is None:
            self._adding = asyncio.create_task(self._add(self._turn.conversation))
        await asyncio.shield(self._adding)

    async def end(self, state: State, trace: Trace, usage: UsageEvent | None) -> None:
        """Save the whole, and why it failed if it did."""
        if self._saving is not None:
            await asyncio.gather(self._saving, return_exceptions=True)  # tried again here
        try:
            await self.begun()
        except ConversationNotFound:  # deleted meanwhile, or told already
            return
        if self._turn.reply:
            await self._save(state=state, trace=trace, usage=usage, error=trace.error)

    async def end_trace(self, trace: Trace) -> None:
        """Save what was added to the trace since."""
        if self._turn.reply:
            write = partial(self._conversations().write, self._turn.reply, trace=trace)
            await anyio.to_thread.run_sync(write)

    async def _add(self, conversation: str) -> None:
        turn = self._turn
        add = partial(
            self._conversations().add,
            conversation,
            turn.parent,
            self._message(),
            model=turn.model,
            state="streaming",
        )
        turn.reply = (await anyio.to_thread.run_sync(add)).id

    def _save_if_due(self) -> None:
        now = time.monotonic()
        if now - self._saved >= SAVE_EVERY and (self._saving is None or self._saving.done()):
            self._saved = now
            self._saving = asyncio.create_task(self._save())

    async def _save(self, **values: Any) -> None:
        write = self._conversations().write
        await anyio.to_thread.run_sync(
            partial(write, self._turn.reply, message=self._message(), **values)
        )

    def _message(self) -> Message:
        text = "".join(self._pieces)
        parts = (*self._parts, TextPart(text)) if text or not self._parts else self._parts
        return Message(
            "assistant",
            tuple(parts),
            reasoning="".join(self._reasoning),
            extras=dict(self._turn.extras),
        )

    def _add_part(self, part: Part) -> None:
        if self._pieces:
            self._parts.append(TextPart("".join(self._pieces)))
            self._pieces = []
        self._parts.append(part)
