"""Reads a reply aloud while it is written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import anyio.to_thread

from jackfield import (
    AudioEvent,
    Event,
    JackfieldError,
    NoticeEvent,
    ReplacedEvent,
    Sound,
    TextEvent,
    ToolCallEvent,
)
from jackfield_plugins.speech.choice import Speaker
from jackfield_plugins.speech.sentences import Sentences
from jackfield_plugins.speech.sound_files import wav

FAILURES = 2
"""Sentences in a row that may fail before the rest is left unread."""


class Reading:
    """One reply that is read aloud.

    The text passes at once; sentences are spoken one after another in a task beside it, and each
    sound follows as soon as it is made.

    Args:
        choose: finds the voice; called in a thread.
        account: told of each sentence: what the turn's trace shows.
    """

    def __init__(
        self,
        choose: Callable[[], Speaker],
        speed: float,
        account: Callable[[dict[str, Any]], None],
    ) -> None:
        self._choose = choose
        self._speed = speed
        self._account = account
        self._sentences: asyncio.Queue[str | None] = asyncio.Queue()
        self._out: asyncio.Queue[Event | BaseException | None] = asyncio.Queue(maxsize=1)
        self._wanted = anyio.CancelScope()  # its end is what an engine in a thread can notice

    async def events(self, source: AsyncIterator[Event]) -> AsyncIterator[Event]:
        """The events of a reply, with sounds among them."""
        tasks = [asyncio.create_task(self._pass_on(source)), asyncio.create_task(self._speak())]
        try:
            for _ in tasks:
                while (event := await self._out.get()) is not None:
                    if isinstance(event, BaseException):
                        raise event
                    yield event
        finally:
            self._wanted.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass_on(self, source: AsyncIterator[Event]) -> None:
        """Pass on what comes, and pick sentences out of it."""
        picked = Sentences()
        try:
            async for event in source:
                await self._out.put(event)
                if isinstance(event, TextEvent):
                    self._hand_over(picked.feed(event.text))
                elif isinstance(event, ToolCallEvent | ReplacedEvent):
                    self._hand_over(picked.finish())
        except Exception as error:  # noqa: BLE001 - whoever reads the stream gets it
            await self._out.put(error)
        self._hand_over([*picked.finish(), None])
        await self._out.put(None)

    def _hand_over(self, sentences: list[str] | list[str | None]) -> None:
        for sentence in sentences:
            self._sentences.put_nowait(sentence)

    async def _speak(self) -> None:
        """Speak sentence by sentence, as long as the reply is wanted."""
        with self._wanted:
            await self._speak_all()

    async def _speak_all(self) -> None:
        speaker: Speaker | None = None
        failures = 0
        while (sentence := await self._sentences.get()) is not None:
            started = time.perf_counter()
            try:
                speaker = speaker or await _in_thread(self._choose)
                speak = partial(speaker.speak, sentence, self._speed)
                sound: Sound = await _in_thread(speak)
            except Exception as error:  # noqa: BLE001 - an engine's own code runs here
                failures += 1
                await self._out.put(NoticeEvent(_words(error), "warning"))
                if speaker is None or failures == FAILURES:
                    break
                continue
            failures = 0
            self._account(
                {
                    "sentence": sentence,
                    "voice": speaker.name,
                    "seconds of speech": round(sound.seconds, 2),
                    "seconds taken": round(time.perf_counter() - started, 2),
                }
            )
            if sound.samples:
                await self._out.put(AudioEvent("audio/wav", wav(sound), sentence))
        await self._out.put(None)


def _words(error: Exception) -> str:
    if isinstance(error, JackfieldError):
        return f"Not read aloud: {error.message} {error.hint}".strip()
    return f"Not read aloud: {type(error).__name__}: {error}"


async def _in_thread(work: Callable[[], Any]) -> Any:
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
