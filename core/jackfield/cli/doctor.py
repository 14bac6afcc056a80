"""``jackfield doctor``."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import msgspec
import typer

from jackfield.cli.door import Door, human_size
from jackfield.errors import JackfieldError

MARKS = {"ok": "[green]ok  [/green]", "warn": "[yellow]warn[/yellow]", "fail": "[red]fail[/red]"}
BACK_ENDS = {
    "xllamacpp": "pip install 'jackfield[gguf]'",
    "llama_cpp": "pip install 'jackfield[gguf-python]'",
}


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at, and what to do about it."""

    mark: Literal["ok", "warn", "fail"]
    subject: str
    text: str
    advice: str = ""


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verb."""

    @cli.command()
    def doctor(
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    ) -> None:
        """Look whether everything is in order, and say what to do where it is not."""
        findings = list(examine(door))
        if as_json:
            door.json(findings)
        else:
            for one in findings:
                door.screen.print(f"{MARKS[one.mark]} {one.subject}: ", end="")
                door.screen.print(one.text, markup=False)
                if one.advice:
                    door.screen.print(f"     {one.advice}", markup=False)
        if any(one.mark == "fail" for one in findings):
            raise typer.Exit(1)


def examine(door: Door) -> Iterator[Finding]:
    """Look at everything, one after the other; what raises is a finding too."""
    checks: tuple[Callable[[Door], Iterator[Finding]], ...] = (
        _computer,
        _cards,
        _folder,
        _back_ends,
        _settings,
        _database,
        _port,
    )
    told: set[str] = set()
    for check in checks:
        try:
            yield from check(door)
        except JackfieldError as error:
            if error.message in told:
                continue  # what cannot be looked at for the same reason is no news
            told.add(error.message)
            name = check.__name__.strip("_").replace("_", " ")
            yield Finding("fail", name, error.message, error.hint)


def _computer(door: Door) -> Iterator[Finding]:
    import psutil

    yield Finding("ok", "Python", f"{platform.python_version()} in {sys.prefix}")
    memory = psutil.virtual_memory()
    text = f"{human_size(memory.available)} of {human_size(memory.total)} free"
    cores = f"{psutil.cpu_count(logical=False) or os.cpu_count()} cores"
    small = memory.available < 1_000_000_000
    advice = "Models need memory: close other programs." if small else ""
    yield Finding("warn" if small else "ok", "memory", f"{text}, {cores}", advice)


def _cards(door: Door) -> Iterator[Finding]:
    from jackfield.machine import Machine

    cards = Machine.now().accelerators
    for card in cards:
        text = f"{card.title}, {human_size(card.free)} of {human_size(card.total)} free"
        yield Finding("ok", f"graphics card {card.name}", text)
    if not cards:
        yield Finding("ok", "graphics cards", "none found: models run on the processor")


def _folder(door: Door) -> Iterator[Finding]:
    home = door.paths.home
    try:
        door.paths.make()
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        text = f"{home} cannot be written: {error.strerror}"
        yield Finding("fail", "data folder", text, "Choose another with --home.")
        return
    free = shutil.disk_usage(home).free
    small = free < 2_000_000_000
    advice = "Models are large: free some space." if small else ""
    text = f"{home}, {human_size(free)} free"
    yield Finding("warn" if small else "ok", "data folder", text, advice)


def _back_ends(door: Door) -> Iterator[Finding]:
    for name, install in BACK_ENDS.items():
        if importlib.util.find_spec(name) is not None:
            yield Finding("ok", f"engine {name}", "installed")
        else:
            yield Finding("warn", f"engine {name}", "not installed", f"If you want it: {install}")


def _settings(door: Door) -> Iterator[Finding]:
    app = door.app
    yield Finding("ok", "settings", str(app.paths.settings))
    aside = [one for one in app.plugins.records() if one.state == "set aside"]
    for one in aside:
        yield Finding("warn", f"plugin {one.name}", one.error, one.advice)
    enabled = sum(one.state == "enabled" for one in app.plugins.records())
    yield Finding("ok", "plugins", f"{enabled} enabled, {len(aside)} set aside")
    models = app.catalog.scan()
    broken = [model for model in models if model.error]
    for model in broken:
        yield Finding("warn", f"model {model.name}", model.error)
    if len(models) > len(broken):
        yield Finding("ok", "models", ", ".join(one.name for one in models if not one.error))
    else:
        advice = "Fetch a small one: jackfield models pull smollm2"
        yield Finding("warn", "models", "none is here yet", advice)


def _database(door: Door) -> Iterator[Finding]:
    chats = len(door.app.conversations.list(limit=100_000))
    yield Finding("ok", "chats", f"{chats} in {door.paths.database}")


def _port(door: Door) -> Iterator[Finding]:
    server = door.app.settings.value.server
    running = _running(door)
    if running:
        yield Finding("ok", "server", f"one is running on this data folder: {running}")
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except OSError:
            text = f"{server.port} is taken by another program"
            yield Finding("warn", "port", text, "Choose another: jackfield serve --port 7861")
            return
    yield Finding("ok", "port", f"{server.port} is free")


def _running(door: Door) -> str:
    """Address of the server of this data folder; "" when none runs, or it was killed."""
    import psutil

    try:
        note = json.loads(door.paths.server.read_text(encoding="utf-8"))
        return str(note["url"]) if psutil.pid_exists(int(note["pid"])) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
