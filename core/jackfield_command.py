"""The command ``jackfield``.

Its list of verbs is kept with everything that it was made from, and shown from there as long as
nothing of that has changed: then neither Jackfield nor a plugin is imported for it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import platformdirs

OVERVIEWS: tuple[list[str], ...] = ([], ["-h"], ["--help"])
DECIDING = ("settings.toml", "secrets.toml", "plugin-cards.json", "plugins")
"""What of the data folder decides which plugins there are, and what they offer."""

KEPT = "overview.json"
"""In the data folder. It may be deleted at any time."""


def main() -> None:
    """Run one command and exit: 0 when it worked, 1 when it failed, 2 for a usage mistake."""
    words = sys.argv[1:]
    if words in OVERVIEWS:
        sys.exit(_overview(words))
    from jackfield.cli import main as run

    run(words)


def _overview(words: Sequence[str]) -> int:
    """Show the list of verbs; return the exit status."""
    home, around = _home(), _around(words)
    shown = _kept(home / KEPT, around)
    if shown is None:
        began = time.time_ns()
        shown = _made(words)
        if shown[2] in (0, 2):
            _keep(home, around, shown, began)
    out, err, status = shown
    sys.stdout.write(out)
    sys.stderr.write(err)
    return int(status)


def _home() -> Path:
    """The data folder, as :meth:`jackfield.paths.Paths.default` finds it."""
    home = os.environ.get("JACKFIELD_HOME")
    return Path(home).expanduser().resolve() if home else platformdirs.user_data_path("jackfield")


def _around(words: Sequence[str]) -> dict[str, Any]:
    """What the list depends on beside files."""
    return {
        "words": list(words),
        "python": [sys.version, sys.prefix, *sys.path],
        "columns": shutil.get_terminal_size().columns,
        "variables": {key: os.environ[key] for key in os.environ if key.startswith("JACKFIELD_")},
    }


def _made(words: Sequence[str]) -> list[Any]:
    """What the whole program prints on both streams, and its exit status."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        from jackfield.cli import main as run

        try:
            run(words)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 0
    return [out.getvalue(), err.getvalue(), status]


def _kept(path: Path, around: dict[str, Any]) -> list[Any] | None:
    """What was shown before, if what it was made from is still so."""
    try:
        kept = json.loads(path.read_bytes())
        if kept["around"] == around and _seen_all(kept["files"]) == kept["files"]:
            out, err, status = kept["shown"]
            return [str(out), str(err), int(status)]
    except (OSError, ValueError, TypeError, KeyError):
        pass  # it is made anew
    return None


def _keep(home: Path, around: dict[str, Any], shown: list[Any], began: int) -> None:
    """Keep what was shown, unless a file is so new that an older one may have been read."""
    files = _seen_all(str(path) for path in _made_from(home))
    if any(seen is not None and seen[0] >= began for seen in files.values()):
        return
    path = home / KEPT
    part = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # a full disk, or a folder of others: then it is made again next time
        try:
            part.write_text(json.dumps({"around": around, "files": files, "shown": shown}))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _made_from(home: Path) -> set[Path]:
    """Everything that was imported, where it was looked for, and the user's settings."""
    modules = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    places = [Path(place or ".").absolute() for place in sys.path]
    plugins = [about for place in places for about in place.glob("*.dist-info/entry_points.txt")]
    imported = [Path(module) for module in modules if module]
    return {*imported, *places, *plugins, *(home / name for name in DECIDING)}


def _seen_all(paths: Iterable[str]) -> dict[str, list[int] | None]:
    """Nanoseconds of the last change and bytes of files and folders; None where there is none."""
    seen: dict[str, list[int] | None] = {}
    for path in paths:
        try:
            status = Path(path).stat()
        except OSError:
            seen[path] = None
        else:
            seen[path] = [status.st_mtime_ns, status.st_size]
    return seen


if __name__ == "__main__":
    main()
