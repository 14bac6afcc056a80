"""Load options as they are typed: ``--option NAME=VALUE``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jackfield.cli.config import parsed
from jackfield.errors import InvalidRequest

Option = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Load option; may be given several times"),
]

Force = Annotated[
    bool, typer.Option("--force", help="Load it though it is not expected to fit into memory")
]


def load_options(words: list[str] | None) -> dict[str, Any] | None:
    """``NAME=VALUE`` with values as TOML writes them, or as plain text; None: as they are set.

    Raises:
        InvalidRequest: a word is not of that form.
    """
    if not words:
        return None
    options: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise InvalidRequest(f"The load option {word!r} is not of the form NAME=VALUE.")
        options[name.replace("-", "_")] = parsed(text)
    return options
