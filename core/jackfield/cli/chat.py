"""``jackfield chat``."""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jackfield.cli.door import Door
from jackfield.cli.load_flags import Force
from jackfield.cli.plugin_options import Options, plugin_options
from jackfield.errors import JackfieldError, ModelNotFound

if TYPE_CHECKING:
    from jackfield.conversations import Conversation
    from jackfield.sampling import SamplingParams

HELP = """\
/regenerate      another answer to your last message
/clear           begin a new chat
/system TEXT     say who the model is and how it answers
/model NAME      talk to another model
/quit            leave (or Ctrl-D); the chat is kept
Ctrl-C stops an answer that is being written."""


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verb."""

    @cli.command()
    def chat(
        model: Annotated[str, typer.Argument(help="Model; empty: the last one used")] = "",
        system: Annotated[str | None, typer.Option(help="Agent description")] = None,
        preset: Annotated[str, typer.Option(help="Sampling preset")] = "",
        tools: Annotated[
            list[str] | None, typer.Option("--tool", help="Tool that the model may call")
        ] = None,
        options: Options = None,
        force: Force = False,
    ) -> None:
        """Talk with a model; the chat is kept and stands in the dashboard too."""
        from jackfield.cli.answering import preset_params

        settings = door.app.settings.value.chat
        with door.app.in_thread() as app:
            name = app.catalog.find(model or settings.model or _only_model(door)).name
            description = settings.agent_description if system is None else system
            if sys.stdin.isatty():
                with contextlib.suppress(ImportError):
                    import readline  # noqa: F401 - gives input() its line editing
            if force:
                app.portal.call(partial(app.engine.load, name, force=True))
            session = Session(door, name, description, preset_params(door, preset))
            session.tools, session.options = list(tools or ()), plugin_options(options)
            door.side.print(f"{name}. /help shows what you can do.", style="dim")
            while session.step():
                pass


class Session:
    """A chat on the terminal.

    Attributes:
        tools: names of those that the model may call.
        options: what the chat says to plugins.
    """

    def __init__(self, door: Door, model: str, description: str, sampling: SamplingParams) -> None:
        self._door = door
        self._model = model
        self._description = description
        self._sampling = sampling
        self._chat: Conversation | None = None
        self.tools: list[str] = []
        self.options: dict[str, dict[str, Any]] = {}

    def step(self) -> bool:
        """Read a line and do what it says; False at the end."""
        try:
            line = input("> " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            return False
        if not line:
            return True
        if line.startswith("/"):
            word, _, rest = line.partition(" ")
            return self._command(word, rest.strip())
        self._ask(line)
        return True

    def _command(self, word: str, rest: str) -> bool:
        match word:
            case "/quit" | "/exit":
                return False
            case "/help":
                self._door.side.print(HELP, markup=False)
            case "/clear":
                self._chat = None
            case "/system":
                self._description = rest
                self._door.side.print("From the next answer on.", style="dim")
            case "/model":
                self._change_model(rest)
            case "/regenerate":
                self._regenerate()
            case _:
                self._door.side.print(f"There is no {word}. /help shows what there is.")
        return True

    def _change_model(self, name: str) -> None:
        try:
            self._model = self._door.app.catalog.find(name).name
        except ModelNotFound as error:
            self._door.report(error)

    def _ask(self, line: str) -> None:
        from jackfield.messages import message

        chats = self._door.app.conversations
        if self._chat is None:
            self._chat = chats.create(
                model=self._model,
                agent_description=self._description,
                options=self.options,
                tools=self.tools,
            )
        head = chats.get(self._chat.id).head
        chats.add(self._chat.id, head, message("user", line))
        self._answer()

    def _regenerate(self) -> None:
        chats = self._door.app.conversations
        path = chats.path(self._chat.id) if self._chat else []
        if self._chat is None or not path or path[-1].message.role != "assistant":
            self._door.side.print("There is no answer yet.")
            return
        chats.update(self._chat.id, head=path[-1].parent)
        self._answer()

    def _answer(self) -> None:
        from jackfield.cli.answering import answer
        from jackfield.messages import message
        from jackfield.pipeline import Turn

        assert self._chat is not None
        path = self._door.app.conversations.path(self._chat.id)
        start = [message("system", self._description)] if self._description else []
        turn = Turn(
            model=self._model,
            messages=[*start, *(node.message for node in path)],
            sampling=self._sampling,
            conversation=self._chat.id,
            parent=path[-1].id,
            origin="cli",
            use_tools=tuple(self.tools),
            options=self.options,
        )
        try:
            answer(self._door, turn)
        except JackfieldError as error:
            self._door.report(error)


def _only_model(door: Door) -> str:
    models = [model.name for model in door.app.catalog.scan() if not model.error]
    if not models:
        raise JackfieldError(
            "No model is here yet.", hint="Fetch a small one: jackfield models pull smollm2"
        )
    if len(models) > 1:
        raise JackfieldError(
            "Several models are here: say which.", hint=f"There is: {', '.join(models)}."
        )
    return models[0]
