"""Begins every reply with a text of the user's choice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from jackfield import Event, Field, LongText, Plugin, TextEvent, hookimpl

if TYPE_CHECKING:
    from jackfield.pipeline import Turn


class Prefill(Plugin):
    """Begins every reply with a text of yours, which the model then continues."""

    enabled_by_default = False

    class Config(Plugin.Config):
        """Options of the prefill."""

        text: LongText = Field(
            "", description="How each reply begins, for example 'Sure, here is' or '1.'"
        )

    @hookimpl
    def jackfield_transform_prompt(self, prompt: str, turn: Turn) -> str | None:
        """Put the text where the model goes on writing."""
        return prompt + self.config.text if self._applies(turn) else None

    @hookimpl(tryfirst=True)
    def jackfield_filter_stream(
        self, events: AsyncIterator[Event], turn: Turn
    ) -> AsyncIterator[Event] | None:
        """Show it as the first piece of the reply."""
        return _after(self.config.text, events) if self._applies(turn) else None

    def _applies(self, turn: Turn) -> bool:
        """A reply that is continued has begun already, and a completion has no reply."""
        return bool(self.config.text) and turn.mode == "chat" and not turn.continues


async def _after(text: str, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """The text, before the first piece that the model wrote, or in its place."""
    begun = False
    async for event in events:
        if isinstance(event, TextEvent) and not begun:
            begun = True
            yield TextEvent(text)
        yield event
    if not begun:
        yield TextEvent(text)
