"""From a turn to what the model is given: sampling parameters, context, history, prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from pydantic import ValidationError

from jackfield.errors import InvalidRequest, PromptTooLong, SettingsError, UnsupportedSampling
from jackfield.loader import ModelInfo
from jackfield.messages import Event, Message, NoticeEvent, Passage, SourceEvent
from jackfield.pipeline.turn import Turn
from jackfield.sampling import SamplingParams
from jackfield.settings import ModelSettings
from jackfield.templates.template import ChatTemplate
from jackfield.trace import Trace
from jackfield.turn_plugins import TurnPlugins

if TYPE_CHECKING:
    from jackfield.engine import Resident
    from jackfield.templates.templates import Templates

CONTEXT_SHARE = 0.5
"""Most of the free context that passages of plugins may fill."""
RESERVE = 512
"""Tokens kept free for a reply of unlimited length, or a quarter of the context if that is less."""


class Prepared(msgspec.Struct):
    """What the model is given, and what the user is told about it.

    Attributes:
        open_text: how the reply already begins, when one is continued.
    """

    prompt: str
    params: SamplingParams
    events: list[Event]
    open_text: str = ""


class Preparation:
    """Prepares one turn for one loaded model."""

    def __init__(
        self,
        turn: Turn,
        model: Resident,
        info: ModelInfo,
        plugins: TurnPlugins,
        templates: Templates,
        trace: Trace,
    ) -> None:
        self._turn = turn
        self._model = model
        self._info = info
        self._plugins = plugins
        self._templates = templates
        self._trace = trace
        self._events: list[Event] = []

    async def prepare(self, settings: ModelSettings, recommended: str = "") -> Prepared:
        """Go through the hooks up to the prompt.

        Args:
            settings: what is saved for the model.
            recommended: the template that its source recommends.

        Raises:
            UnsupportedSampling: the loader lacks a parameter that was asked for.
            TemplateError: no template, or one that fails.
            PromptTooLong: not even the last message fits into the context.
        """
        turn, trace = self._turn, self._trace
        params = self._sampling(settings)
        params = await self._plugins.modify_sampling(params, turn, trace)
        open_text = ""
        if turn.mode == "completion":
            prompt = turn.prompt
            await self._check_length(prompt, "The prompt")
        else:
            if not turn.messages:
                raise InvalidRequest("There is no message to answer.", param="messages")
            template = self._templates.choose(
                self._info, turn.template or settings.template or recommended
            )
            trace.template = template.name
            params = params.model_copy(update={"stop": [*params.stop, *template.stop]})
            messages = await self._input()
            prompt = await self._fitting(messages, template, params)
            open_text = messages[-1].text if turn.continues else ""
        prompt = await self._plugins.transform_prompt(prompt, turn, trace)
        trace.prompt = prompt
        trace.sampling = params.changed()
        return Prepared(prompt, params, self._events, open_text)

    def _sampling(self, settings: ModelSettings) -> SamplingParams:
        """The model's saved parameters with the turn's on top."""
        try:
            saved = SamplingParams(**settings.sampling)
        except ValidationError as error:
            first = error.errors()[0]
            raise SettingsError(
                f"The saved sampling parameters of {self._turn.model!r} are not valid: "
                f"{first['loc'][0]}: {first['msg']}.",
                hint="Correct them on the Models page.",
            ) from error
        supported = self._info.sampling_fields
        asked = self._turn.sampling
        if self._turn.origin != "dashboard":
            for name in asked.changed():
                if name not in supported:
                    raise self._unsupported(name)
        both = saved.merged(asked)
        lacking = [name for name in both.changed() if name not in supported]
        for name in lacking:
            self._trace.dropped.append(f"parameter {name}: the loader lacks it")
        if any(name in asked.changed() for name in lacking):
            self._events.append(
                NoticeEvent(
                    f"The loader {self._model.loader!r} lacks {', '.join(lacking)}: left out.",
                    level="warning",
                )
            )
        return SamplingParams(**both.model_dump(include=both.model_fields_set - set(lacking)))

    def _unsupported(self, name: str) -> UnsupportedSampling:
        return UnsupportedSampling(
            f"The parameter {name!r} is not supported by the loader {self._model.loader!r} of the "
            f"model {self._turn.model!r}.",
            hint="Leave it out, or load the model with another loader.",
            param=name,
            loader=self._model.loader,
        )

    async def _input(self) -> list[Message]:
        """The messages with the user's last one as the plugins make it, context put before it."""
        messages = list(self._turn.messages)
        last = next((i for i in reversed(range(len(messages))) if messages[i].role == "user"), None)
        if last is None:
            return messages
        text = await self._plugins.transform_input(messages[last].text, self._turn, self._trace)
        passages = await self._plugins.add_context(self._turn, self._trace)
        if passages:
            kept = await self._fitted(passages, [*messages[:last], messages[last].with_text(text)])
            text = with_passages(text, kept)
            self._events += [SourceEvent(passage) for passage in kept]
        messages[last] = messages[last].with_text(text)
        return messages

    async def _fitted(self, passages: Sequence[Passage], messages: list[Message]) -> list[Passage]:
        """The best passages that the context has room for, in the order they were given."""
        needed = [one for one in messages if one.role == "system"] + messages[-1:]
        used = await self._model.count("\n".join(one.text for one in needed))
        room = int((self._info.context_length - used) * CONTEXT_SHARE)
        kept = []
        for passage in sorted(passages, key=lambda one: -one.score):
            size = await self._model.count(f"{passage.title}\n{passage.text}")
            if size <= room:
                room -= size
                kept.append(passage)
            else:
                self._trace.dropped.append(
                    f"passage {passage.title!r} ({size} tokens): the context has no room for it"
                )
        return [passage for passage in passages if passage in kept]

    async def _fitting(
        self, messages: list[Message], template: ChatTemplate, params: SamplingParams
    ) -> str:
        """The prompt of as much of the history as fits; the oldest turns go first, whole."""
        limit = self._info.context_length
        reserve = min(params.max_tokens or RESERVE, limit // 4)
        head, turns, tail = _split(messages)
        prompt = await self._render([*head, *_flat(turns), *tail], template)
        if await self._size(prompt, limit - reserve) <= limit - reserve:
            return prompt
        low, high = 0, len(turns)  # the fewest turns to drop lies in low..high
        while low < high:
            middle = (low + high) // 2
            prompt = await self._render([*head, *_flat(turns[middle:]), *tail], template)
            if await self._model.count(prompt) <= limit - reserve:
                high = middle
            else:
                low = middle + 1
        prompt = await self._render([*head, *_flat(turns[low:]), *tail], template)
        await self._check_length(prompt, "The last message, with the agent description,")
        if low:
            gone = sum(len(turn) for turn in turns[:low])
            self._trace.dropped.append(f"the {gone} oldest messages: the context is full")
            self._events.append(
                NoticeEvent(
                    f"The conversation is longer than the model's context of {limit} tokens: the "
                    f"{gone} oldest messages were left out of this turn.",
                    level="warning",
                )
            )
        return prompt

    async def _render(self, messages: list[Message], template: ChatTemplate) -> str:
        return await self._templates.render(
            template, messages, self._info, continue_reply=bool(self._turn.continues)
        )

    async def _size(self, prompt: str, limit: int) -> int:
        """Tokens of a prompt; its bytes if they are few enough, for a token has one at least."""
        bound = len(prompt.encode())
        return bound if bound <= limit else await self._model.count(prompt)

    async def _check_length(self, prompt: str, what: str) -> None:
        limit = self._info.context_length
        size = await self._size(prompt, limit - 1)
        if size >= limit:
            raise PromptTooLong(
                f"{what} has {size} tokens and the model's context holds {limit}.",
                hint="Shorten it, or load the model with a longer context.",
                tokens=size,
                limit=limit,
                param="messages" if self._turn.mode == "chat" else "prompt",
            )


def with_passages(text: str, passages: Sequence[Passage]) -> str:
    """A user's message with passages before it, numbered for citation."""
    if not passages:
        return text
    listed = [
        f"[{number}] {passage.title}\n{passage.text}".strip()
        for number, passage in enumerate(passages, start=1)
    ]
    return "This may help to answer:\n\n" + "\n\n".join(listed) + "\n\n" + text


def _split(
    messages: list[Message],
) -> tuple[list[Message], list[list[Message]], list[Message]]:
    """System messages at the start, whole turns that may go, and what must stay."""
    start = next((i for i, one in enumerate(messages) if one.role != "system"), len(messages))
    head, rest = messages[:start], messages[start:]
    users = [i for i, one in enumerate(rest) if one.role == "user"]
    last = users[-1] if users else 0
    turns: list[list[Message]] = []
    for one in rest[:last]:
        if one.role == "user" or not turns:
            turns.append([])
        turns[-1].append(one)
    return head, turns, rest[last:]


def _flat(turns: list[list[Message]]) -> list[Message]:
    return [message for turn in turns for message in turn]
