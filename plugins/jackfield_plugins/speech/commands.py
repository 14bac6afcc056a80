"""Speech on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from jackfield import InvalidRequest
from jackfield_plugins.speech import transcripts
from jackfield_plugins.speech.choice import listed, synthesizers
from jackfield_plugins.speech.sentences import sentences
from jackfield_plugins.speech.sound_files import FORMATS, pieces

if TYPE_CHECKING:
    from jackfield_plugins.speech.plugin import Speech


def add(cli: typer.Typer, plugin: Speech) -> None:
    """Add the commands."""
    _add_transcribe(cli, plugin)

    @cli.command("speak")
    def speak(
        text: str = typer.Argument(help="What to speak; - reads standard input"),
        output: Path = typer.Option(  # noqa: B008 - how Typer declares options
            ..., "--output", "-o", help="File to write; its ending is the format: wav, mp3, ..."
        ),
        voice: str = typer.Option("", help="engine/voice; see: jackfield voices"),
        speed: float = typer.Option(0.0, help="1 is the voice's own; 0: as in the settings"),
    ) -> None:
        """Speak a text into a file."""
        _speak(plugin, sys.stdin.read() if text == "-" else text, output, voice, speed)

    @cli.command("voices")
    def voices(as_json: bool = typer.Option(False, "--json", help="Print JSON")) -> None:
        """Voices that are there, and what other engines still need."""
        found = listed(plugin.app)
        if as_json:
            typer.echo(json.dumps(found, ensure_ascii=False))
            return
        for one in found["data"]:
            typer.echo(f"{one['id']:<36} {one['language']:<12} {one['title']}")
        for one in synthesizers(plugin.app).values():
            if one.missing():
                typer.echo(f"{one.title} still needs: {one.missing()}", err=True)


def _add_transcribe(cli: typer.Typer, plugin: Speech) -> None:
    @cli.command("transcribe")
    def transcribe(
        file: Path = typer.Argument(help="A recording", exists=True, dir_okay=False),  # noqa: B008
        kind: str = typer.Option("text", "--format", help=", ".join(transcripts.FORMATS)),
        model: str = typer.Option("", help="engine/model, for example whisper/base"),
        language: str = typer.Option("", help="Two letters; found out if not given"),
        translate: bool = typer.Option(False, "--translate", help="Into English"),
    ) -> None:
        """Write down what is said in a recording."""
        if kind not in transcripts.FORMATS:
            raise InvalidRequest(
                f"There is no format {kind!r}.", hint=f"There are: {', '.join(transcripts.FORMATS)}"
            )
        found = plugin.transcribe(
            file.read_bytes(),
            model=model,
            language=language,
            translate=translate,
            words=kind == "verbose_json",
        )
        match kind:
            case "srt":
                typer.echo(transcripts.srt(found))
            case "vtt":
                typer.echo(transcripts.vtt(found))
            case "json":
                typer.echo(json.dumps({"text": found.text}, ensure_ascii=False))
            case "verbose_json":
                task = "translate" if translate else "transcribe"
                whole = transcripts.verbose(found, task=task, words=True)
                typer.echo(json.dumps(whole, ensure_ascii=False))
            case "text":
                typer.echo(found.text)
        if not found.text:
            typer.echo("Nobody speaks in this recording.", err=True)


def _speak(plugin: Speech, text: str, output: Path, voice: str, speed: float) -> None:
    kind = output.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise InvalidRequest(
            f"{output.name!r} has no ending that names a format.",
            hint=f"It can be one of: {', '.join(FORMATS)}.",
        )
    found = sentences(text)
    if not found:
        raise InvalidRequest("There is nothing in the text that could be spoken.")
    speaker = plugin.speaker(voice)
    sounds = (speaker.speak(one, speed or plugin.config.speed) for one in found)
    made = b"".join(pieces(sounds, kind))
    output.write_bytes(made)
    typer.echo(f"{speaker.name} has spoken {len(found)} sentences into {output}", err=True)
