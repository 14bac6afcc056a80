"""From a turn to what the model is given: sampling parameters, context, history, prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import InvalidRequest
from jackfield.loader import ModelInfo
from jackfield.messages import Event, MediaPart, Message, NoticeEvent, SourceEvent, message
from jackfield.pipeline.fitting import Fitting, with_passages
from jackfield.pipeline.reply import CLOSES, OPENS
from jackfield.pipeline.sampling_check import SamplingCheck
from jackfield.pipeline.toolbox import NO_TOOL, Toolbox, forced
from jackfield.pipeline.turn import ToolName, Turn
from jackfield.sampling import SamplingParams
from jackfield.settings import ModelSettings
from jackfield.templates.template import ChatTemplate
from jackfield.tools import ToolChoice, ToolDefinition
from jackfield.trace import Trace, shortened
from jackfield.turn_plugins import TurnPlugins
from jackfield.worker.reference import ProcessorReference

if TYPE_CHECKING:
    from jackfield.engine import Resident
    from jackfield.manager import PluginManager
    from jackfield.templates.templates import Templates


ABILITIES = {"image": "vision"}
"""What a model must be able to do for a kind of media, where the two have different names."""


USES = {
    "embedding": "It makes embeddings: POST /v1/embeddings, or jackfield embed.",
    "rerank": "It ranks documents: POST /v1/rerank, or jackfield rerank.",
}
"""What models that write no text are for."""

_CHOOSE = "Choose a model that writes."


class Prepared(msgspec.Struct):
    """What the model is given, and what the user is told about it.

    Attributes:
        messages, tool_choice: for a model that makes its prompt itself.
        toolbox: what it may call.
        opening: what its reply was made to begin with; the end of the prompt.
        continues: it goes on with a text that it began before.
        chooses: it is first made to choose whether to call a tool.
    """

    prompt: str
    params: SamplingParams
    events: list[Event]
    messages: tuple[Message, ...] = ()
    media: tuple[MediaPart, ...] = ()
    processors: tuple[ProcessorReference, ...] = ()
    toolbox: Toolbox | None = None
    tool_choice: str = "auto"
    opening: str = ""
    continues: bool = False
    chooses: bool = False


class Preparation:
    """Prepares one turn for one loaded model."""

    def __init__(
        self,
        turn: Turn,
        model: Resident,
        info: ModelInfo,
        plugins: TurnPlugins,
        manager: PluginManager,
        templates: Templates,
        trace: Trace,
    ) -> None:
        self._turn = turn
        self._model = model
        self._info = info
        self._plugins = plugins
        self._manager = manager
        self._templates = templates
        self._trace = trace
        self._events: list[Event] = []
        self._messages: tuple[Message, ...] = ()
        self._conversation: list[Message] = []
        self._shown: list[Message] = []  # what was rendered last
        self._given: list[Message] = []  # the conversation as plugins made it
        self._added: list[Message] = []  # what calls of tools added to it
        self._template: ChatTemplate | None = None
        self._toolbox: Toolbox | None = None
        self._system_prompt = ""

    async def prepare(self, settings: ModelSettings) -> Prepared:
        """Go through the hooks up to the prompt.

        Raises:
            UnsupportedSampling: the loader lacks a parameter that was asked for.
            TemplateError: no template, or one that fails.
            PromptTooLong: not even the last message fits into the context.
            InvalidRequest: the model cannot do what is asked.
        """
        turn, trace = self._turn, self._trace
        self._system_prompt = settings.system_prompt
        self._check_request()
        turn.info, turn.count = self._info, self._model.count
        if turn.mode == "chat":
            self._conversation = await self._plugins.transform_messages(
                self._system_first(), turn, trace
            )
            self._check_media()
        check = SamplingCheck(turn, self._info, self._model.loader)
        params = check.laid_over(settings.sampling)
        changed = await self._plugins.modify_sampling(params, turn, trace)
        params = params if changed is params else check.kept(changed, "a plugin")
        fitting = Fitting(self._info, self._model.count, params.max_tokens, trace)
        if turn.mode == "completion":
            prompt = turn.prompt
            await fitting.check(prompt, "The prompt", "prompt")
        else:
            params = self._choose_template(turn.template or settings.template, params, check)
            prompt = await self._chat_prompt(await self._input(fitting), fitting)
        prepared = Prepared(prompt, params, [], processors=await self._processors())
        prepared = await self._completed(
            prepared, self._toolbox.must(turn) if self._toolbox else ()
        )
        trace.sampling = prepared.params.changed()
        trace.dropped += check.notes
        prepared.events = [*check.notices, *fitting.events, *self._events]
        self._first = prepared
        return prepared

    async def again(self, added: Message) -> Prepared:
        """The prompt of another round, after calls of tools and their results.

        Raises:
            PromptTooLong: they do not fit into the context.
        """
        self._added.append(added)
        return await self._next()

    async def without_tools(self) -> Prepared:
        """The prompt of the last round, in which the model can only answer."""
        self._toolbox = None
        return await self._next()

    async def _next(self) -> Prepared:
        most = self._first.params.max_tokens
        fitting = Fitting(self._info, self._model.count, most, self._trace)
        prompt = await self._chat_prompt([*self._given, *self._added], fitting)
        prepared = Prepared(prompt, self._free_params, [], processors=self._first.processors)
        return await self._completed(prepared, ())

    def choosing(self, prepared: Prepared) -> Prepared:
        """The same prompt, where the reply has to name a tool or none."""
        assert self._toolbox is not None
        return self._forced(prepared, [*self._toolbox.definitions, NO_TOOL])

    def _choose_template(
        self, wanted: str, params: SamplingParams, check: SamplingCheck
    ) -> SamplingParams:
        """Choose how the prompt is made; the parameters with its stop texts."""
        source = ""
        if self._info.renders:
            self._trace.template = "the server's own"
        else:
            self._template = self._templates.choose(self._info, wanted)
            self._trace.template, source = self._template.name, self._template.source
            params = check.stopping_at(params, self._template.stop)
        self._toolbox = Toolbox.of(self._turn, self._manager, self._info, source)
        return params

    async def _completed(self, prepared: Prepared, must: Sequence[ToolDefinition]) -> Prepared:
        """The prompt as plugins change it, with what the model may or must call."""
        if not self._messages:
            prepared.prompt = await self._plugins.transform_prompt(
                prepared.prompt, self._turn, self._trace
            )
        self._trace.prompt = shortened(prepared.prompt)
        self._free_params = prepared.params
        turn = self._turn
        prepared.continues = bool(turn.continues and not self._added and turn.messages[-1].text)
        prepared.messages, prepared.media = self._messages, tuple(_media(self._shown))
        toolbox = prepared.toolbox = self._toolbox
        if toolbox is None:
            return prepared
        if toolbox.parser is None:
            prepared.tool_choice = _choice(turn.tool_choice, must)
        elif must:
            return self._forced(prepared, must)
        else:
            constrains = "json_schema" in self._info.sampling_fields
            prepared.chooses = toolbox.parser.constrained and constrains
        return prepared

    def _forced(self, prepared: Prepared, tools: Sequence[ToolDefinition]) -> Prepared:
        """The prompt with the beginning of a call, and a schema for the rest."""
        assert self._toolbox is not None
        assert self._toolbox.parser is not None
        opening, schema = forced(self._toolbox.parser, tools, self._info, self._model.loader)
        thinks = prepared.prompt.rstrip().endswith(OPENS)
        start = f"{CLOSES}\n\n{opening}" if thinks else opening
        values = {**prepared.params.model_dump(exclude_unset=True), "json_schema": schema}
        values.pop("grammar", None)
        return msgspec.structs.replace(
            prepared,
            prompt=prepared.prompt + start,
            params=SamplingParams(**values),
            opening=opening,
            chooses=False,
        )

    def _check_request(self) -> None:
        turn, can = self._turn, self._info.capabilities
        if "completion" not in can:
            raise InvalidRequest(
                f"The model {turn.model!r} cannot write text; it can do: "
                f"{', '.join(sorted(can)) or 'nothing'}.",
                hint=" ".join([*(USES[one] for one in sorted(can & set(USES))), _CHOOSE]),
                param="model",
            )
        if turn.mode == "chat" and not turn.messages:
            raise InvalidRequest("There is no message to answer.", param="messages")
        if turn.continues and turn.messages[-1:] and turn.messages[-1].role != "assistant":
            raise InvalidRequest("Only a reply can be continued.", param="messages")

    def _check_media(self) -> None:
        """Refuse what no plugin has read and the model does not take."""
        turn, can = self._turn, self._info.capabilities
        for part in _media(self._conversation):
            kind = part.media_type.partition("/")[0]
            if ABILITIES.get(kind, kind) not in can:
                raise InvalidRequest(
                    f"The model {turn.model!r} takes no {kind} ({part.media_type!r} was sent).",
                    hint="Leave it out, choose a model that takes it, or enable the plugin "
                    "'attachments', which reads files for models that cannot.",
                    param="messages",
                )

    async def _processors(self) -> tuple[ProcessorReference, ...]:
        """What plugins do to the scores of each token, if this model can have it done."""
        found = await self._plugins.logits_processors(self._turn, self._trace)
        if not found or "logits_processors" in self._info.capabilities:
            return found
        owners = ", ".join(repr(one) for one in dict.fromkeys(one.owner for one in found))
        what = f"What {owners} would do to the scores of tokens"
        loader = repr(self._model.loader)
        self._trace.dropped.append(f"{what}: the loader {loader} runs no logits processors")
        self._events.append(
            NoticeEvent(
                f"{what} is left out: the loader {loader} runs no logits processors.",
                level="warning",
            )
        )
        return ()

    async def _chat_prompt(self, messages: list[Message], fitting: Fitting) -> str:
        """The conversation in the model's own format."""
        self._given = self._given or messages
        toolbox, template = self._toolbox, self._template
        if toolbox is not None:
            messages = toolbox.told(messages)
        if template is None:
            return await fitting.prompt(messages, self._plain)
        continues = bool(self._turn.continues) and not self._added

        async def render(shown: list[Message]) -> str:
            self._shown = shown
            return await self._templates.render(
                template,
                shown,
                self._info,
                continue_reply=continues,
                tools=toolbox.for_template if toolbox is not None else None,
            )

        return await fitting.prompt(messages, render)

    async def _plain(self, messages: list[Message]) -> str:
        """The conversation as a text to count and to show; the messages themselves are sent."""
        self._messages = tuple(messages)
        return "\n\n".join(f"{one.role}: {one.text}" for one in messages)

    def _system_first(self) -> list[Message]:
        """The turn's messages with an agent description, if it or the model has one."""
        messages = list(self._turn.messages)
        if self._system_prompt and all(one.role != "system" for one in messages):
            messages.insert(0, message("system", self._system_prompt))
        return messages

    async def _input(self, fitting: Fitting) -> list[Message]:
        """The messages with the user's last one as the plugins make it, context put before it."""
        messages = list(self._conversation)
        users = [place for place, one in enumerate(messages) if one.role == "user"]
        if not users:
            return messages
        last = users[-1]
        text = await self._plugins.transform_input(messages[last].text, self._turn, self._trace)
        messages[last] = messages[last].with_text(text)
        found = await self._plugins.add_context(self._turn, self._trace)
        if found:
            needed = [one for one in messages[:last] if one.role == "system"] + messages[last:]
            kept = await fitting.passages(found, needed)
            messages[last] = messages[last].with_text(with_passages(text, kept))
            self._turn.sources = kept
            self._events += [SourceEvent(passage) for passage in kept]
        return messages


def _media(messages: Sequence[Message]) -> Iterator[MediaPart]:
    return (part for one in messages for part in one.parts if isinstance(part, MediaPart))


def _choice(asked: ToolChoice | ToolName, must: Sequence[ToolDefinition]) -> str:
    """Whether a tool has to be called now, as a server is told."""
    if not must:
        return "auto"
    return asked.name if isinstance(asked, ToolName) else asked
