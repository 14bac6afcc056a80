"""Translates a reply while it is written."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from jackfield import Event, JackfieldError, NoticeEvent, TextEvent, ToolCallEvent
from jackfield_plugins.translation.conversation import digest, row
from jackfield_plugins.translation.cutting import Cut, Cutter
from jackfield_plugins.translation.engines import Engines

if TYPE_CHECKING:
    from jackfield.pipeline import Turn

PATIENCE = 3
"""Failures one after the other, after which the rest of a reply stays as it is."""


class ReplyTranslation:
    """One reply, from the model's language into the user's.

    Args:
        name: the plugin's, under which the original is kept.
        begun: the original of a reply that is continued, "" for a new one.
        remember: told the digest of the translation and the original.
    """

    def __init__(
        self,
        engines: Engines,
        turn: Turn,
        name: str,
        languages: tuple[str, str],
        begun: str,
        remember: Callable[[str, str], None],
    ) -> None:
        self._engines = engines
        self._turn = turn
        self._name = name
        self._source, self._target = languages
        self._remember = remember
        self._cutter = Cutter(self._source)
        self._cutter.feed(begun)
        self._cutter.flush()  # it may have ended within code
        self._original = [begun]
        self._made = [turn.messages[-1].text if turn.continues else ""]
        self._differs = False
        self._failures = 0
        self._told: set[str] = set()
        self._seconds = 0.0
        self._row: dict[str, Any] = {}

    async def run(self, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        """The stream with translated text; log probabilities belong to the original and go."""
        try:
            async for event in events:
                is_text = isinstance(event, TextEvent)
                if isinstance(event, TextEvent):
                    cuts = self._cutter.feed(event.text)
                elif isinstance(event, ToolCallEvent):
                    cuts = self._cutter.finish()
                else:
                    cuts = self._cutter.flush()
                async for made in self._spoken(cuts):
                    yield made
                if not is_text:
                    yield event
            async for made in self._spoken(self._cutter.finish()):
                yield made
        finally:
            self._keep()

    async def _spoken(self, cuts: Sequence[Cut]) -> AsyncIterator[Event]:
        """The next part of the reply, translated as far as that can be done."""
        if not cuts:
            return
        texts = [one.text for one in cuts if one.words]
        if texts and self._failures < PATIENCE:
            ask = partial(self._engines.sentences, texts, self._source, self._target)
            began = time.perf_counter()
            try:
                texts = await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)
                self._failures = 0
            except JackfieldError as error:
                self._failures += 1
                if error.message not in self._told:
                    self._told.add(error.message)
                    yield self._notice(error)
            self._seconds += time.perf_counter() - began
        said = iter(texts)
        text = "".join(next(said) if one.words else one.text for one in cuts)
        self._differs |= text != "".join(one.text for one in cuts)
        self._original += [one.text for one in cuts]
        self._made.append(text)
        yield TextEvent(text)
        self._keep()

    def _notice(self, error: JackfieldError) -> NoticeEvent:
        words = f"A part of this reply is not translated. {error.message} {error.hint}"
        return NoticeEvent(words.strip(), "warning")

    def _keep(self) -> None:
        """Keep the original with the reply."""
        if not self._differs:
            return
        original, made = "".join(self._original), "".join(self._made)
        self._turn.extras[self._name] = {
            "original": original,
            "source": self._source,
            "target": self._target,
            "digest": digest(made),
        }
        self._remember(digest(made), original)
        if not self._row:
            began = time.perf_counter()
            self._row = row(self._engines, "the reply", self._source, self._target, began)
            self._turn.accounts.setdefault(self._name, []).append(self._row)
        self._row["seconds"] = round(self._seconds, 3)
