"""What engines of speech have in common: a process of their own, and files to be put in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jackfield import (
    Field,
    FileSource,
    JackfieldError,
    Offer,
    Plugin,
    RemoteFile,
    hookimpl,
)
from jackfield_plugins.child_process import ChildProcess

if TYPE_CHECKING:
    import typer

CHILD = "jackfield_plugins.speech.child"

SAMPLES = {
    "en": "The rainbow appears when the sun shines through the rain.",
    "de": "Der Regenbogen erscheint, wenn die Sonne durch den Regen scheint.",
    "es": "El arcoíris aparece cuando el sol brilla a través de la lluvia.",
    "fr": "L'arc-en-ciel apparaît quand le soleil brille à travers la pluie.",
    "hi": "बारिश के बीच धूप निकलने पर इंद्रधनुष दिखाई देता है।",
    "it": "L'arcobaleno appare quando il sole splende attraverso la pioggia.",
    "nl": "De regenboog verschijnt als de zon door de regen schijnt.",
    "pl": "Tęcza pojawia się, gdy słońce świeci przez deszcz.",
    "pt": "O arco-íris aparece quando o sol brilha através da chuva.",
    "sv": "Regnbågen syns när solen skiner genom regnet.",
}
"""A sentence to try a voice out with, by language."""


def sample(language: str) -> str:
    """A sentence in a language, "" if there is none."""
    return SAMPLES.get(language.partition("-")[0], "")


class EnginePlugin(Plugin):
    """Base of the plugins whose engine runs in a process of its own.

    Attributes:
        engine: its name, which is also the plugin's extra.
        title: what the user reads.
        module: what has to be installed.
    """

    engine: ClassVar[str]
    title: ClassVar[str]
    module: ClassVar[str]

    class Config(Plugin.Config):
        """Options of the engine."""

        threads: int = Field(2, ge=1, le=64, description="Processor threads it may use")
        idle_minutes: int = Field(
            10,
            ge=1,
            le=1440,
            description="Minutes without work after which its memory is given back",
        )

    def __init__(self, config: Plugin.Config, context: Any) -> None:
        super().__init__(config, context)
        self.child = ChildProcess(
            CHILD, (self.engine,), title=self.title, idle=lambda: self.config.idle_minutes * 60.0
        )

    @hookimpl
    def jackfield_stopped(self) -> None:
        """End the engine's process."""
        self.child.stop()

    def not_installed(self) -> str:
        """The command that installs the engine, "" if it is there."""
        return "" if find_spec(self.module) else f"pip install 'jackfield[{self.engine}]'"


class NotReady(JackfieldError):
    """An engine that needs something first."""

    status = 503
    code = "engine_not_ready"


def ready(title: str, missing: str) -> None:
    """Raise NotReady if something is missing."""
    if missing:
        raise NotReady(f"{title} is not ready yet.", hint=f"Do this first: {missing}")


def folders(chosen: str, own: Path) -> Iterator[Path]:
    """Folders where files may lie: those below the one the user chose, or below the plugin's."""
    top = Path(chosen).expanduser() if chosen else own
    if top.is_dir():
        yield top
        yield from sorted(path for path in top.iterdir() if path.is_dir())


class EngineFiles(FileSource):
    """Fetches an engine's files from a fixed address."""

    name = "engine-files"
    title = "Files of an engine"


def add_fetch(
    cli: typer.Typer,
    plugin: Plugin,
    engine: str,
    *,
    default: str,
    about: str,
    find: Callable[[str], tuple[str, tuple[RemoteFile, ...]]],
    folder: str,
) -> None:
    """Add ``jackfield ENGINE fetch [NAME]``.

    Args:
        default: what is fetched if nothing is named.
        about: what can be named, for the help.
        find: the folder and the files of a name.
        folder: below the plugin's data folder.
    """
    import typer

    group = typer.Typer(help=f"Files of {engine}.")

    @group.callback()
    def group_() -> None:
        """A group, although it has one command."""

    @group.command("fetch", help=f"Fetch {about}.")
    def fetch(name: str = typer.Argument(default, help=about)) -> None:
        place, files = find(name)
        offer = Offer(name=place, title=name, files=files)
        target = plugin.context.data / folder
        target.mkdir(parents=True, exist_ok=True)
        source = EngineFiles(offline=plugin.context.offline)
        with _shown(sum(file.size for file in files)) as progress:
            fetched = source.fetch(offer, target, progress, lambda: False)
        typer.echo(f"{name} is in {fetched.path}")

    cli.add_typer(group, name=engine)


@contextmanager
def _shown(total: int) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("Fetching", total=total or None)

        def tell(done: int, known: int, stage: str) -> None:
            bar.update(task, completed=done, total=known or None, description=stage.capitalize())

        yield tell
