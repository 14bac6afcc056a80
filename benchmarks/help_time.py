"""How long ``jackfield --help`` takes with all built-in plugins and thirty more installed."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.result import Result, spread
from benchmarks.setting import Setting

PLUGINS = 30
SOURCE = '''"""A plugin for measuring."""
from jackfield import Field, Plugin, hookimpl


class Measured(Plugin):
    """Adds nothing."""

    class Config(Plugin.Config):
        marks: int = Field(1, ge=0, le=5, description="Marks")

    @hookimpl
    def jackfield_transform_reply(self, reply, turn):
        return reply

    @hookimpl
    def jackfield_commands(self, cli):
        @cli.command("measured-{number}")
        def measured() -> None:
            """Does nothing."""
'''


def install(folder: Path) -> None:
    """Thirty distributions with a plugin each, as pip leaves them."""
    for number in range(PLUGINS):
        name = f"jackfield_measured_{number}"
        (folder / f"{name}.py").write_text(SOURCE.replace("{number}", str(number)))
        about = folder / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "RECORD").write_text(f"{name}.py,,\n")
        (about / "entry_points.txt").write_text(
            f"[jackfield]\nmeasured-{number} = {name}:Measured\n"
        )


def run(setting: Setting) -> list[Result]:
    """Milliseconds more than a Python that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        install(Path(folder))
        environment = os.environ | {
            "JACKFIELD_HOME": str(Path(folder) / "home"),
            "PYTHONPATH": os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")]),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users have their modules compiled

        def timed(*arguments: str) -> float:
            begun = time.perf_counter()
            subprocess.run(arguments, env=environment, check=True, stdout=subprocess.DEVNULL)
            return 1000 * (time.perf_counter() - begun)

        jackfield = str(Path(sys.executable).with_name("jackfield"))
        commands = ((jackfield, "--help"), (sys.executable, "-c", "pass"))
        first = timed(*commands[0])
        for command in commands * 2:  # modules are compiled, then the list of verbs is kept
            timed(*command)
        figures = [tuple(timed(*command) for command in commands) for _ in range(setting.rounds)]
    ours, bare = zip(*figures, strict=True)
    return [
        Result(
            f"`jackfield --help` over `python -c pass`, with {PLUGINS} more plugins installed",
            statistics.median(mine - theirs for mine, theirs in figures),
            "ms",
            300,
            "at most",
            f"{spread(ours, 'ms')} less {spread(bare, 'ms')}; {first:.0f} ms when all is new",
        )
    ]
