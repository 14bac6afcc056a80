"""``jackfield run``."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from jackfield.cli.door import Door
from jackfield.cli.load_flags import Force
from jackfield.cli.plugin_options import Options, plugin_options
from jackfield.cli.sampling_flags import with_sampling
from jackfield.errors import InvalidRequest
from jackfield.sampling import SamplingParams

if TYPE_CHECKING:
    from jackfield.pipeline import Turn


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verb."""

    @cli.command()
    @with_sampling
    def run(
        model: Annotated[str, typer.Argument(help="Model, as 'jackfield models list' names it")],
        prompt: Annotated[str, typer.Argument(help="What to ask; '-' reads it from the input")],
        sampling: SamplingParams,
        system: Annotated[str, typer.Option(help="Agent description (system prompt)")] = "",
        preset: Annotated[str, typer.Option(help="Sampling preset to begin with")] = "",
        template: Annotated[str, typer.Option(help="Chat template in place of its own")] = "",
        raw: Annotated[bool, typer.Option("--raw", help="Complete the text, no chat")] = False,
        plugins_on: Annotated[list[str] | None, typer.Option(help="Plugin to add")] = None,
        plugins_off: Annotated[list[str] | None, typer.Option(help="Plugin to leave out")] = None,
        tools: Annotated[
            list[str] | None, typer.Option("--tool", help="Tool that the model may call")
        ] = None,
        options: Options = None,
        force: Force = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
        verbose: Annotated[bool, typer.Option("--verbose", help="Show progress, speed")] = False,
    ) -> None:
        """Ask a model one question and print its answer."""
        text = sys.stdin.read() if prompt == "-" else prompt
        if not text.strip():
            raise InvalidRequest("The prompt is empty.", hint="Write what you want to ask.")
        from jackfield.cli.answering import preset_params
        from jackfield.messages import message
        from jackfield.pipeline import Turn

        messages = [message("system", system)] if system else []
        turn = Turn(
            model=door.app.catalog.find(model).name,
            messages=[*messages, message("user", text)],
            mode="completion" if raw else "chat",
            prompt=text if raw else "",
            sampling=preset_params(door, preset).merged(sampling),
            template=template,
            on=tuple(plugins_on or ()),
            off=tuple(plugins_off or ()),
            origin="cli",
            use_tools=tuple(tools or ()),
            options=plugin_options(options),
        )
        with door.app.in_thread():
            if force:
                door.app.portal.call(partial(door.app.engine.load, turn.model, force=True))
            _run(door, turn, as_json=as_json, verbose=verbose)


def _run(door: Door, turn: Turn, *, as_json: bool, verbose: bool) -> None:
    """Answer a turn and show what was asked for."""
    from jackfield.cli.answering import answer

    if verbose:
        _load(door, turn.model)
    got = answer(door, turn, quiet=as_json)
    if as_json:
        door.json(
            {
                "text": got.text,
                "finish_reason": got.done.finish_reason if got.done else None,
                "usage": got.usage,
                "notices": got.notices,
                "turn": turn.id,
                "plugins": door.app.traces.get(turn.id).plugins,
            }
        )
    if verbose and got.usage:
        usage = got.usage
        writing = max(usage.seconds - usage.first_token_s, 1e-6)
        door.side.print(
            f"{usage.prompt_tokens} tokens read, {usage.completion_tokens} written, first after "
            f"{usage.first_token_s:.2f} s, then "
            f"{max(usage.completion_tokens - 1, 0) / writing:.1f} tokens/s"
        )
    if got.stopped:
        raise typer.Exit(130)


def _load(door: Door, model: str) -> None:
    """Load a model, showing how far it is."""
    from rich.progress import Progress

    portal, engine = door.app.portal, door.app.engine
    with Progress(console=door.side, transient=True) as progress:
        bar = progress.add_task(f"Loading {model}", total=1.0)
        loading = portal.start_task_soon(engine.load, model)
        while not loading.done():
            resident = engine.resident(model)
            if resident is not None:
                progress.update(bar, completed=resident.progress, description=resident.stage)
            try:
                loading.result(0.1)
            except TimeoutError:
                continue
