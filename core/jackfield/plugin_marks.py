"""Whether the code of a plugin is what it was when it was last loaded, asked without importing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import msgspec

from jackfield.discovery import Found

OURS = __name__.partition(".")[0]


class Marks(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the code of a plugin was, and when it was last changed.

    Attributes:
        path: of its entry point or file; "" where nothing was marked.
        roots: top-level packages by name, with the file that each is found at.
        files: all files of those packages that were imported, with their time and size.
    """

    path: str = ""
    roots: dict[str, str] = {}
    files: dict[str, tuple[int, int]] = {}

    def fit(self, found: Found) -> bool:
        """Whether a plugin that was found is the one that was marked, and not a byte newer."""
        return (
            self.path == found.path
            and all(_origin(root) == origin for root, origin in self.roots.items())
            and all(_status(path) == status for path, status in self.files.items())
        )


def marks_of(kind: type, found: Found, began: float) -> Marks:
    """The marks of a plugin that has just been loaded; empty marks, which never fit, when unsure.

    Args:
        began: seconds since the epoch, before the first plugin was imported. Of a file that
            changed later nobody knows whether the old or the new one was imported.
    """
    modules = {found.path.partition(":")[0]} if found.origin == "package" else set()
    modules |= {one.__module__ for one in kind.__mro__}
    if found.origin == "file":
        modules.discard(kind.__module__)  # the file itself, whose stamp is its time and size
    tops = {name.partition(".")[0] for name in modules} - {OURS, "builtins"}
    roots: dict[str, str] = {}
    files: dict[str, tuple[int, int]] = {}
    for top in sorted(tops):
        origin = roots[top] = _origin(top)
        if not origin:
            return Marks()
        for path in {origin, *_files(top)}:
            status = _status(path)
            if status is None or status[0] >= began * 1e9:
                return Marks()
            files[path] = status
    return Marks(found.path, roots, files)


def _files(top: str) -> list[str]:
    """Files of all imported modules of a package."""
    inside = f"{top}."
    return [
        path
        for name, module in list(sys.modules.items())
        if (name == top or name.startswith(inside)) and (path := getattr(module, "__file__", None))
    ]


def _origin(top: str) -> str:
    """The file at which a top-level package is found now; "" if there is none."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ""
    return (spec.origin or "") if spec is not None else ""


def _status(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
