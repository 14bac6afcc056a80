"""The plugins of one turn: each hook called one by one, with an owner for every error."""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec

from jackfield.errors import PluginError, TurnRefused
from jackfield.messages import Event, Passage, TextEvent
from jackfield.sampling import SamplingParams
from jackfield.trace import Trace

if TYPE_CHECKING:
    from jackfield.pipeline import Turn


class Implementation(msgspec.Struct, frozen=True):
    """One plugin's implementation of one hook.

    Attributes:
        arguments: the names it takes, fewer than the specification's perhaps.
        essential: its failure fails the turn.
        report: told of a failure (its text) or of success ("").
    """

    plugin: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    essential: bool
    report: Callable[[str], None]

    async def call(self, values: dict[str, Any]) -> Any:
        """Call it with those of the values that it takes: in a thread unless it is ``async``."""
        taken = {name: values[name] for name in self.arguments}
        if inspect.iscoroutinefunction(self.function):
            return await self.function(**taken)
        return await anyio.to_thread.run_sync(lambda: self.function(**taken))


class TurnPlugins:
    """A snapshot of the plugins that take part in a turn, in their order."""

    def __init__(self, implementations: dict[str, list[Implementation]]) -> None:
        self._implementations = implementations

    @property
    def names(self) -> list[str]:
        """Plugins with at least one turn hook."""
        return sorted({one.plugin for many in self._implementations.values() for one in many})

    def implements(self, hook: str) -> bool:
        """Whether any plugin has a hook, named without its prefix."""
        return bool(self._implementations.get(hook))

    async def before_turn(self, turn: Turn, trace: Trace) -> None:
        """Let plugins prepare or refuse the turn.

        Raises:
            TurnRefused: one declined it.
        """
        await self._each("before_turn", None, {"turn": turn}, trace)

    async def transform_input(self, text: str, turn: Turn, trace: Trace) -> str:
        """The user's text as the model will read it."""
        changed: str = await self._each(
            "transform_input", "text", {"text": text, "turn": turn}, trace
        )
        return changed

    async def add_context(self, turn: Turn, trace: Trace) -> list[Passage]:
        """Passages of all plugins."""
        passages: list[Passage] = []
        for one in self._implementations.get("add_context", ()):
            found = await self._call(one, "add_context", {"turn": turn}, trace, before="")
            for passage in found or ():
                passages.append(passage)
        return passages

    async def modify_sampling(
        self, params: SamplingParams, turn: Turn, trace: Trace
    ) -> SamplingParams:
        """The sampling parameters after all changes."""
        values = {"params": params, "turn": turn}
        changed: SamplingParams = await self._each("modify_sampling", "params", values, trace)
        return changed

    async def transform_prompt(self, prompt: str, turn: Turn, trace: Trace) -> str:
        """The rendered prompt after all changes."""
        values = {"prompt": prompt, "turn": turn}
        changed: str = await self._each("transform_prompt", "prompt", values, trace)
        return changed

    async def transform_reply(self, reply: str, turn: Turn, trace: Trace) -> str:
        """The whole reply after all changes."""
        values = {"reply": reply, "turn": turn}
        changed: str = await self._each("transform_reply", "reply", values, trace)
        return changed

    async def after_turn(self, turn: Turn, trace: Trace) -> None:
        """Tell plugins how the turn went."""
        await self._each("after_turn", None, {"turn": turn, "trace": trace}, trace)

    def filter_stream(
        self, events: AsyncIterator[Event], turn: Turn, trace: Trace
    ) -> AsyncIterator[Event]:
        """The stream wrapped by each plugin in turn."""
        for one in self._implementations.get("filter_stream", ()):
            events = _filtered(one, events, turn, trace)
        return events

    async def _each(
        self, hook: str, value: str | None, values: dict[str, Any], trace: Trace
    ) -> Any:
        """Call a hook of every plugin; each gets the value that the one before it returned."""
        for one in self._implementations.get(hook, ()):
            before = _shown(values[value]) if value else ""
            expected = type(values[value]) if value else None
            returned = await self._call(one, hook, values, trace, before=before, expected=expected)
            if value and returned is not None:
                values = {**values, value: returned}
        return values[value] if value else None

    async def _call(
        self,
        one: Implementation,
        hook: str,
        values: dict[str, Any],
        trace: Trace,
        *,
        before: str,
        expected: type | None = None,
    ) -> Any:
        """Call one implementation, record it, and pass over its failure."""
        started = time.perf_counter()
        try:
            returned = await one.call(values)
            _check(returned, hook, expected)
        except TurnRefused:
            trace.add(one.plugin, hook, started, before, before, "refused the turn")
            raise
        except Exception as error:  # noqa: BLE001 - a plugin's own code runs here
            self._failed(one, hook, started, error, trace)
            return None
        one.report("")
        after = before if returned is None else _shown(returned)
        trace.add(one.plugin, hook, started, before, after)
        return returned

    def _failed(
        self, one: Implementation, hook: str, started: float, error: Exception, trace: Trace
    ) -> None:
        words = f"{type(error).__name__}: {error}"
        trace.add(one.plugin, hook, started, "", "", words)
        one.report(f"{hook}: {words}")
        if one.essential:
            raise PluginError(
                f"Plugin {one.plugin!r} failed in {hook} and the turn cannot do without it: "
                f"{words}.",
                hint="Correct its settings, or leave it out of this turn.",
                plugin=one.plugin,
            ) from error


async def _filtered(
    one: Implementation, events: AsyncIterator[Event], turn: Turn, trace: Trace
) -> AsyncIterator[Event]:
    """One plugin's filter over a stream; if it raises, what it held and the rest pass through."""
    started = time.perf_counter()
    held: list[Event] = []
    taken: list[str] = []
    given: list[str] = []

    async def source() -> AsyncIterator[Event]:
        async for event in events:
            held.append(event)
            taken.append(event.text if isinstance(event, TextEvent) else "")
            yield event

    failure: Exception | None = None
    try:
        async for event in _wrapped(one, source(), turn):
            held.clear()
            given.append(event.text if isinstance(event, TextEvent) else "")
            yield event
    except Exception as error:  # noqa: BLE001 - a plugin's own code runs here
        failure = error
    if failure is None:
        one.report("")
        trace.add(one.plugin, "filter_stream", started, "".join(taken), "".join(given))
        return
    TurnPlugins({})._failed(one, "filter_stream", started, failure, trace)
    for event in held:
        yield event
    async for event in events:
        yield event


def _wrapped(one: Implementation, source: AsyncIterator[Event], turn: Turn) -> AsyncIterator[Event]:
    """What the plugin returns for a stream; None leaves it as it is."""
    values = {"events": source, "turn": turn}
    wrapped = one.function(**{name: values[name] for name in one.arguments})
    if wrapped is None:
        return source
    if not hasattr(wrapped, "__aiter__"):
        raise TypeError(f"filter_stream returned {type(wrapped).__name__}, not an async iterator")
    stream: AsyncIterator[Event] = wrapped
    return stream


def _check(returned: Any, hook: str, expected: type | None) -> None:
    """Refuse a value of the wrong type before anything else trips over it."""
    if hook == "add_context" and returned is not None:
        wrong = not isinstance(returned, Sequence) or any(
            not isinstance(passage, Passage) for passage in returned
        )
        if wrong:
            raise TypeError("add_context returns a list of Passage")
    if expected and returned is not None and not isinstance(returned, expected):
        raise TypeError(f"{hook} returned {type(returned).__name__} instead of {expected.__name__}")


def _shown(value: Any) -> str:
    """A value as the inspector shows it."""
    if isinstance(value, str):
        return value
    if isinstance(value, SamplingParams):
        return msgspec.json.encode(value.changed()).decode()
    return "\n\n".join(f"[{passage.title}] {passage.text}" for passage in value)
