"""Fitting a conversation and added passages into a model's context."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise

from jackfield.errors import InvalidRequest, PromptTooLong
from jackfield.loader import ModelInfo
from jackfield.messages import Event, Message, NoticeEvent, Passage
from jackfield.trace import Trace

CONTEXT_SHARE = 0.5
"""Most of the free context that passages of plugins may fill."""
RESERVE = 512
"""Tokens kept free for a reply of unlimited length."""


class Fitting:
    """Decides what goes into a prompt; sizes are counted by the model's own tokenizer.

    Args:
        count: tells how many tokens a text is.
        max_tokens: the longest reply that was asked for.
        trace: is told what was left out.
    """

    def __init__(
        self,
        info: ModelInfo,
        count: Callable[[str], Awaitable[int]],
        max_tokens: int | None,
        trace: Trace,
    ) -> None:
        self._limit = info.context_length
        self._reserve = min(max_tokens or RESERVE, self._limit // 4)
        self._count = count
        self._trace = trace
        self.events: list[Event] = []

    async def passages(
        self, found: Sequence[Passage], messages: Sequence[Message]
    ) -> list[Passage]:
        """The best passages that there is room for beside the messages, in the order given."""
        found = list(dict.fromkeys(found))
        needed = "\n".join(one.text for one in messages)
        texts = [needed, *(f"{passage.title}\n{passage.text}" for passage in found)]
        used, *sizes = await asyncio.gather(*(self._count(text) for text in texts))
        room = int((self._limit - self._reserve - used) * CONTEXT_SHARE)
        kept = set()
        for passage, size in sorted(zip(found, sizes, strict=True), key=lambda one: -one[0].score):
            if size <= room:
                room -= size
                kept.add(passage)
            else:
                self._trace.dropped.append(
                    f"passage {passage.title!r} ({size} tokens): the context has no room for it"
                )
        return [passage for passage in found if passage in kept]

    async def prompt(
        self, messages: list[Message], render: Callable[[list[Message]], Awaitable[str]]
    ) -> str:
        """The prompt of as much of the history as fits; the oldest turns go first, whole.

        Raises:
            PromptTooLong: not even the system messages and the last message fit.
        """
        room = self._limit - self._reserve
        turns = _turns(messages)
        prompt = await render(messages)
        if await self._size(prompt, room) <= room:
            return prompt
        fewest, most = 1, len(turns)  # the number of turns to drop lies between
        while fewest < most:
            middle = (fewest + most) // 2
            shorter = await render(_without(turns, messages, middle))
            if await self._size(shorter, room) <= room:
                most = middle
            else:
                fewest = middle + 1
        gone = min(fewest, len(turns))
        if gone:
            prompt = await render(_without(turns, messages, gone))
        await self.check(prompt, "The last message, with the agent description,", "messages")
        if gone:
            self._tell(len(messages) - len(_without(turns, messages, gone)))
        return prompt

    async def check(self, prompt: str, what: str, param: str) -> None:
        """See that a prompt leaves room for a token at least.

        Args:
            what: what is too long, for the message.

        Raises:
            PromptTooLong: it does not.
        """
        size = await self._size(prompt, self._limit - 1)
        if size >= self._limit:
            raise PromptTooLong(
                f"{what} has {size} tokens and the model's context holds {self._limit}.",
                hint="Shorten it, or load the model with a longer context.",
                tokens=size,
                limit=self._limit,
                param=param,
            )

    async def _size(self, prompt: str, enough: int) -> int:
        """Tokens of a prompt; its bytes if they are few enough, for no token has less than one."""
        try:
            bound = len(prompt.encode())
        except UnicodeEncodeError as error:  # half of a surrogate pair, which JSON can say
            raise InvalidRequest(
                f"The prompt has half a character at position {error.start}.",
                hint="Remove it.",
                param="messages",
            ) from error
        return bound if bound <= enough else await self._count(prompt)

    def _tell(self, gone: int) -> None:
        self._trace.dropped.append(f"the {gone} oldest messages: the context is full")
        self.events.append(
            NoticeEvent(
                f"The conversation is longer than the model's context of {self._limit} tokens: "
                f"the {gone} oldest messages were left out of this turn.",
                level="warning",
            )
        )


def with_passages(text: str, passages: Sequence[Passage]) -> str:
    """A user's message with passages before it, numbered for citation."""
    if not passages:
        return text
    listed = [
        f"[{number}] {passage.title}\n{passage.text}".strip()
        for number, passage in enumerate(passages, start=1)
    ]
    return "This may help to answer:\n\n" + "\n\n".join(listed) + f"\n\n{text}"


def _turns(messages: Sequence[Message]) -> list[range]:
    """Places of the turns that may go: all before the last message of the user."""
    users = [place for place, one in enumerate(messages) if one.role == "user"]
    if not users:
        return []
    begins = next(place for place, one in enumerate(messages) if one.role != "system")
    starts = sorted({begins, *users})
    return [range(start, end) for start, end in pairwise(starts)]


def _without(turns: Sequence[range], messages: Sequence[Message], gone: int) -> list[Message]:
    """The messages without the first turns; what the system says always stays."""
    end = turns[gone - 1].stop if gone and turns else 0
    return [one for place, one in enumerate(messages) if place >= end or one.role == "system"]
