"""The start of somebody's plugin or loader: a distribution that installs and passes its tests."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Literal

from jackfield.errors import InvalidRequest

Kind = Literal["plugin", "loader"]


def create(kind: Kind, name: str, folder: Path) -> Path:
    """Write ``jackfield-<name>/`` into ``folder`` and return it.

    Args:
        kind: ``plugin`` for an extension of turns, ``loader`` for a model loader.
        name: lower-case letters, digits and hyphens, e.g. ``shout``.
        folder: where to put it.

    Raises:
        InvalidRequest: a name that cannot be one, or a folder that is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise InvalidRequest(
            f"{name!r} cannot be a plugin's name: use lower-case letters, digits and hyphens.",
            hint="For example: jackfield plugins new shout",
            param="name",
        )
    target = folder / f"jackfield-{name}"
    if target.exists():
        raise InvalidRequest(
            f"{str(target)!r} is there already and is left as it is.",
            hint="Choose another name or another folder.",
            param="name",
        )
    words = {
        "name": name,
        "module": name.replace("-", "_"),
        "title": name.replace("-", " ").capitalize(),
        "Class": "".join(part.capitalize() for part in name.split("-")),
    }
    for source, place in _files(kind, words["module"]):
        text = files(__package__).joinpath(kind, source).read_text(encoding="utf-8")
        written = target / place
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(Template(text).substitute(words), encoding="utf-8")
    return target


def _files(kind: Kind, module: str) -> list[tuple[str, str]]:
    """Which of the kind's files goes where."""
    return [
        ("pyproject.toml.txt", "pyproject.toml"),
        ("README.md.txt", "README.md"),
        (f"{kind}.py.txt", f"src/jackfield_{module}/__init__.py"),
        (f"test_{kind}.py.txt", f"tests/test_{module}.py"),
    ]
