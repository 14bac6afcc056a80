"""The plugins of one turn: each hook called one by one, with an owner for every error."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec

from jackfield.errors import PluginError, TurnRefused
from jackfield.logits import LogitsProcessor
from jackfield.messages import Event, MediaPart, Message, Passage, TextPart
from jackfield.quarantine import TURN_HOOKS
from jackfield.sampling import SamplingParams
from jackfield.worker.reference import ProcessorReference

if TYPE_CHECKING:
    from jackfield.pipeline import Turn
    from jackfield.trace import Trace


class Implementation(msgspec.Struct, frozen=True):
    """One plugin's implementation of one hook.

    Attributes:
        arguments: the names it takes, fewer than the specification's perhaps.
        essential: its failure fails the turn.
        report: told of the hook and its failure, or "" for success.
        note: told of the hook and something wrong that does not count as a failure.
    """

    plugin: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    is_async: bool
    essential: bool
    report: Callable[[str, str], None]
    note: Callable[[str, str], None]

    def ask(self, hook: str, *, many: bool = False, **values: Any) -> Any:
        """Call a hook that is no turn hook; its failure is reported and gives None.

        Args:
            many: the answer is a list; a failure or None gives an empty one.
        """
        answers: list[Any] = []
        self.tell(hook, lambda answer: answers.extend(answer or () if many else [answer]), **values)
        return answers if many else answers[0] if answers else None

    def tell(
        self, hook: str, take: Callable[[Any], object] = lambda answer: None, **values: Any
    ) -> bool:
        """Call a hook that is no turn hook; whether it went well.

        Args:
            take: given the answer; what it raises counts as the plugin's failure.
        """
        try:
            take(self.function(**self.taken(values)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code runs here
            self.report(hook, f"{type(error).__name__}: {error}")
            return False
        self.report(hook, "")
        return True

    async def call(self, values: Mapping[str, Any]) -> Any:
        """Call it with those of the values that it takes: in a thread unless it is ``async``."""
        taken = self.taken(values)
        if self.is_async:
            return await self.function(**taken)
        # A turn that is cancelled goes at once; what a slow hook still returns is dropped.
        return await anyio.to_thread.run_sync(
            _shielded, self.function, taken, abandon_on_cancel=True
        )

    def taken(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the values that it takes."""
        return {name: values[name] for name in self.arguments}


def _shielded(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    """Call a function; StopIteration would be lost on its way out of a thread."""
    try:
        return function(**values)
    except StopIteration as error:
        raise RuntimeError("StopIteration was raised") from error


class TurnPlugins:
    """A snapshot of the plugins that take part in a turn, in their order."""

    def __init__(self, implementations: Mapping[str, Sequence[Implementation]]) -> None:
        self._implementations = implementations

    @property
    def names(self) -> list[str]:
        """Plugins with at least one turn hook."""
        return sorted(
            {one.plugin for hook in TURN_HOOKS for one in self._implementations.get(hook, ())}
        )

    def implements(self, hook: str) -> bool:
        """Whether any plugin has a hook, named without its prefix."""
        return bool(self._implementations.get(hook))

    async def before_turn(self, turn: Turn, trace: Trace) -> None:
        """Let plugins prepare or refuse the turn; what a failing one changed is put back.

        Raises:
            TurnRefused: one declined it.
        """
        for one in self._implementations.get("before_turn", ()):
            started = time.perf_counter()
            before = _contents(turn)
            try:
                await one.call({"turn": turn})
            except TurnRefused as error:
                trace.add(one.plugin, "before_turn", started, "", "", f"refused: {error.message}")
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code runs here
                vars(turn).clear()
                vars(turn).update(before)
                failed(one, "before_turn", started, error, trace)
                continue
            one.report("before_turn", "")
            trace.add(one.plugin, "before_turn", started, *_difference(before, _contents(turn)))

    async def transform_messages(
        self, messages: list[Message], turn: Turn, trace: Trace
    ) -> list[Message]:
        """The conversation as the model will read it."""
        for one in self._implementations.get("transform_messages", ()):
            values = {"messages": messages, "turn": turn}
            check = partial(_messages, messages)
            shown = _shown(messages)
            given = await _call(one, "transform_messages", values, trace, check, shown)
            messages = messages if given is None else given
        return messages

    async def transform_input(self, text: str, turn: Turn, trace: Trace) -> str:
        """The user's text as the model will read it."""
        changed: str = await self._each("transform_input", "text", text, turn, trace)
        return changed

    async def add_context(self, turn: Turn, trace: Trace) -> list[Passage]:
        """Passages of all plugins."""
        passages: list[Passage] = []
        for one in self._implementations.get("add_context", ()):
            found = await _call(one, "add_context", {"turn": turn}, trace, _passages, "")
            passages += found or ()
        return passages

    async def modify_sampling(
        self, params: SamplingParams, turn: Turn, trace: Trace
    ) -> SamplingParams:
        """The sampling parameters after all changes."""
        changed: SamplingParams = await self._each("modify_sampling", "params", params, turn, trace)
        return changed

    async def transform_prompt(self, prompt: str, turn: Turn, trace: Trace) -> str:
        """The rendered prompt after all changes."""
        changed: str = await self._each("transform_prompt", "prompt", prompt, turn, trace)
        return changed

    async def logits_processors(self, turn: Turn, trace: Trace) -> tuple[ProcessorReference, ...]:
        """What plugins do to the scores of each token, in their order."""
        found: list[ProcessorReference] = []
        for one in self._implementations.get("logits_processors", ()):
            check = partial(_processors, one.plugin)
            values = {"turn": turn}
            given = await _call(one, "logits_processors", values, trace, check, "", over=False)
            found += given or ()
        return tuple(found)

    def processors_went_well(self, plugins: Collection[str]) -> None:
        """Note that the logits processors of these plugins did what they should in a reply."""
        for one in self._implementations.get("logits_processors", ()):
            if one.plugin in plugins:
                one.report("logits_processors", "")

    def processor_failed(self, plugin: str, words: str, trace: Trace) -> None:
        """Record that a plugin's logits processor failed while the model wrote.

        Raises:
            PluginError: the turn cannot do without the plugin.
        """
        for one in self._implementations.get("logits_processors", ()):
            if one.plugin == plugin:
                failed(one, "logits_processors", time.perf_counter(), words, trace)

    def filter_stream(
        self, events: AsyncIterator[Event], turn: Turn, trace: Trace
    ) -> AsyncIterator[Event]:
        """The stream wrapped by each plugin in turn."""
        many = self._implementations.get("filter_stream", ())
        if many:
            from jackfield.stream_filter import StreamFilter

            for one in many:
                events = StreamFilter(one, events, turn, trace).run()
        return events

    async def transform_reply(self, reply: str, turn: Turn, trace: Trace) -> str:
        """The whole reply after all changes."""
        changed: str = await self._each("transform_reply", "reply", reply, turn, trace)
        return changed

    async def after_turn(self, turn: Turn, trace: Trace) -> None:
        """Tell plugins how the turn went."""
        for one in self._implementations.get("after_turn", ()):
            values = {"turn": turn, "trace": trace}
            await _call(one, "after_turn", values, trace, lambda _: None, "")

    async def _each(self, hook: str, name: str, value: Any, turn: Turn, trace: Trace) -> Any:
        """Call a hook of every plugin; each gets the value that the one before it returned."""
        check = _params if name == "params" else _text
        for one in self._implementations.get(hook, ()):
            values = {name: value, "turn": turn}
            returned = await _call(one, hook, values, trace, check, _shown(value))
            if returned is not None:
                value = returned
        return value


async def _call(
    one: Implementation,
    hook: str,
    values: Mapping[str, Any],
    trace: Trace,
    check: Callable[[Any], Any],
    before: str,
    *,
    over: bool = True,
) -> Any:
    """Call one implementation, record it, and pass over its failure.

    Args:
        check: raises TypeError or ValueError for a value that cannot be used; returns it.
        before: the value it was given, as text.
        over: whether it has gone well with this; else that is known later.
    """
    started = time.perf_counter()
    try:
        returned = await one.call(values)
        returned = None if returned is None else check(returned)
    except TurnRefused as error:
        trace.add(one.plugin, hook, started, before, before, f"refused: {error.message}")
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code runs here
        failed(one, hook, started, error, trace)
        return None
    if over:
        one.report(hook, "")
    trace.add(one.plugin, hook, started, before, before if returned is None else _shown(returned))
    return returned


def failed(
    one: Implementation, hook: str, started: float, error: BaseException | str, trace: Trace
) -> None:
    """Record the failure of a hook.

    Args:
        error: what it raised, or the same in words.

    Raises:
        PluginError: the turn cannot do without the plugin.
    """
    words = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    trace.add(one.plugin, hook, started, "", "", words)
    one.report(hook, words)
    if one.essential:
        raise PluginError(
            f"Plugin {one.plugin!r} failed in {hook} and the turn cannot do without it: {words}.",
            hint="Correct its options, or leave it out of this turn.",
            plugin=one.plugin,
        ) from (None if isinstance(error, str) else error)


def _text(returned: Any) -> str:
    if not isinstance(returned, str):
        raise TypeError(f"it returned {type(returned).__name__} instead of str")
    return returned


def _params(returned: Any) -> SamplingParams:
    """Sampling parameters with their bounds checked: ``model_copy`` does not."""
    if not isinstance(returned, SamplingParams):
        raise TypeError(f"it returned {type(returned).__name__} instead of SamplingParams")
    return SamplingParams.model_validate(
        {name: getattr(returned, name) for name in returned.model_fields_set}
    )


def _passages(returned: Any) -> list[Passage]:
    if isinstance(returned, str) or not isinstance(returned, Sequence):
        raise TypeError(f"it returned {type(returned).__name__} instead of a list of Passage")
    for passage in returned:
        if not isinstance(passage, Passage):
            raise TypeError(f"it returned a list with {type(passage).__name__} in it")
    return list(returned)


def _messages(before: Sequence[Message], returned: Any) -> list[Message]:
    """Messages of which as many are the user's as before."""
    if isinstance(returned, str) or not isinstance(returned, Sequence):
        raise TypeError(f"it returned {type(returned).__name__} instead of a list of Message")
    for one in returned:
        if not isinstance(one, Message):
            raise TypeError(f"it returned a list with {type(one).__name__} in it")
    asked, left = (sum(one.role == "user" for one in many) for many in (before, returned))
    if asked != left:
        raise ValueError(f"it returned {left} messages of the user; there were {asked}")
    return list(returned)


def _processors(plugin: str, returned: Any) -> list[ProcessorReference]:
    if not isinstance(returned, Sequence):
        raise TypeError(f"it returned {type(returned).__name__} instead of a list")
    for processor in returned:
        if not isinstance(processor, LogitsProcessor):
            raise TypeError(f"it returned a list with {type(processor).__name__} in it")
    return [ProcessorReference.of(processor, plugin) for processor in returned]


def _contents(turn: Any) -> dict[str, Any]:
    """What a turn holds, safe from later changes of its lists and tables."""
    return {
        name: value.copy() if isinstance(value, list | dict) else value
        for name, value in vars(turn).items()
    }


def _difference(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, str]:
    """What differs between two turns, as text."""
    names = [name for name in after if before.get(name) != after[name]]
    return (
        "\n".join(f"{name}: {_shown(before.get(name))}" for name in names),
        "\n".join(f"{name}: {_shown(after[name])}" for name in names),
    )


def _shown(value: Any) -> str:
    """A value as the inspector shows it."""
    if isinstance(value, str):
        return value
    if isinstance(value, SamplingParams):
        return msgspec.json.encode(value.changed()).decode()
    if isinstance(value, Message):
        others = [_shown(part) for part in value.parts if not isinstance(part, TextPart)]
        return " ".join([f"{value.role}: {value.text}", *others])
    if isinstance(value, MediaPart):
        return f"[{value.media_type} {value.name!r}, {len(value.data):,} bytes]"
    if isinstance(value, ProcessorReference):
        return f"{value.kind.qualname} {msgspec.json.encode(value.values).decode()}"
    if isinstance(value, Passage):
        score = f" ({value.score:.3f})" if value.score else ""
        return f"[{value.title}]{score} {value.text}"
    if isinstance(value, list | tuple):
        return "\n\n".join(_shown(one) for one in value)
    return str(value)
