"""A whole Jackfield in a temporary folder with a fake model, for the tests of plugins."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import msgspec

from jackfield.application import Application
from jackfield.messages import DoneEvent, ErrorEvent, Event, Message, ReplacedEvent, TextEvent
from jackfield.messages import message as text_message
from jackfield.paths import Paths
from jackfield.pipeline import Turn
from jackfield.plugin import Plugin
from jackfield.sampling import SamplingParams
from jackfield.testing.fake import FakePlugin, fake_model
from jackfield.trace import Trace

MODEL = "fake-model"
PLUGIN = "under-test"


class Reply(msgspec.Struct, frozen=True):
    """What came of a turn: its events in order, and what plugins did to it."""

    events: list[Event]
    trace: Trace

    @property
    def text(self) -> str:
        """The reply as the user finally sees it."""
        text = ""
        for event in self.events:
            if isinstance(event, TextEvent):
                text += event.text
            elif isinstance(event, ReplacedEvent):
                text = event.text
        return text

    @property
    def error(self) -> ErrorEvent | None:
        """The error the turn ended with, if it did."""
        return next((event for event in self.events if isinstance(event, ErrorEvent)), None)


class Workbench:
    """Run turns through the real pipeline with a plugin and a fake model.

    Use it as a context manager::

        with Workbench(Shout, config={"marks": 2}, replies=["hello"]) as bench:
            assert bench.chat("hi").text == "HELLO!!"

    Args:
        plugin: the plugin to test; None for none.
        config: values of its config.
        replies: what the model answers, in turn; "echo" repeats the user's last message.
        model: further behaviour of the fake model, see :func:`jackfield.testing.fake_model`.
    """

    def __init__(
        self,
        plugin: type[Plugin] | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        replies: Sequence[str] = ("echo",),
        model: Mapping[str, Any] | None = None,
    ) -> None:
        self._plugin = plugin
        self._config = dict(config or {})
        self._behaviour = {"replies": list(replies), **(model or {})}
        self._stack = ExitStack()

    def __enter__(self) -> Workbench:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.app = Application(Paths(folder), entry_points=[])
        self.app.paths.make()
        fake_model(self.app.paths.models, MODEL, **self._behaviour)
        self.app.plugins.register("fake", FakePlugin)
        if self._plugin is not None:
            self.record = self.app.plugins.register(PLUGIN, self._plugin, config=self._config)
            self.app.plugins.enable(PLUGIN)
        self._stack.enter_context(self.app.in_thread())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def chat(
        self, text: str, *, before: Sequence[Message] = (), off: Sequence[str] = (), **sampling: Any
    ) -> Reply:
        """Answer a user's message.

        Args:
            text: the message.
            before: the conversation so far, oldest first.
            off: plugins left out of this turn.
            sampling: fields of SamplingParams.
        """
        turn = Turn(
            id=uuid4().hex,
            messages=[*before, text_message("user", text)],
            model=MODEL,
            sampling=SamplingParams(**sampling),
            off=tuple(off),
            origin="api",
        )
        events = self.app.portal.call(self._collect, turn)
        assert isinstance(events[-1], DoneEvent)
        return Reply(events, self.app.traces.get(turn.id))

    async def _collect(self, turn: Turn) -> list[Event]:
        return [event async for event in self.app.pipeline.run(turn)]
