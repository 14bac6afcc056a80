"""The generated parts of docs/reference, made from the program itself; cog puts them in place."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
from pydantic import BaseModel

from jackfield import errors, hookspecs
from jackfield.application import Application
from jackfield.cli import build_cli
from jackfield.paths import Paths
from jackfield.sampling import SamplingParams
from jackfield.server import build_api
from jackfield.settings import Settings

FAMILIES = ("Supply", "Surface", "Turn", "Life")


def hooks() -> str:
    """Every hook: signature, when it fires, which built-in plugins use it."""
    users = _users_of_hooks()
    source = inspect.getsource(hookspecs)
    lines: list[str] = []
    for family in re.findall(r"^# (\w+)", source, flags=re.MULTILINE):
        assert family in FAMILIES, family
        lines += [f"## {family}", ""]
        start = source.index(f"# {family}")
        following = re.search(r"^# \w+", source[start + 1 :], flags=re.MULTILINE)
        end = start + 1 + following.start() if following else len(source)
        for name in re.findall(r"^def (jackfield_\w+)", source[start:end], flags=re.MULTILINE):
            function = getattr(hookspecs, name)
            signature = str(inspect.signature(function)).replace("'", "")
            lines += [f"### `{name}`", "", "```python", f"def {name}{signature}", "```", ""]
            lines += [inspect.getdoc(function) or "", ""]
            lines += [f"Used by: {', '.join(users.get(name, ['nobody']))}.", ""]
    return "\n".join(lines)


def _users_of_hooks() -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    with TemporaryDirectory() as folder:
        for record in Application.create(Paths(Path(folder))).plugins.records():
            for hook in record.hooks or _hooks_in(record.path):
                users.setdefault(hook, []).append(f"`{record.name}`")
    return users


def _hooks_in(path: str) -> list[str]:
    """Hooks named in a plugin's source, for one that is not enabled and so not imported."""
    import importlib

    module = importlib.import_module(path.partition(":")[0])
    plugin = getattr(module, path.partition(":")[2])
    return [name for name in dir(plugin) if hasattr(hookspecs, name)]


def settings() -> str:
    """Every setting: key, type, default, bounds, help."""
    return _table(_fields(Settings, ""))


def sampling() -> str:
    """Every sampling parameter: default, bounds, help, source."""
    rows = []
    for name, field in SamplingParams.model_fields.items():
        extra = field.json_schema_extra
        source = extra["source"] if isinstance(extra, dict) else ""
        rows.append((f"`{name}`", _default(field), _bounds(field), field.description, source))
    return _rows(("parameter", "default", "bounds", "what it does", "source"), rows)


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def _table(fields: Iterator[tuple[str, Any]]) -> str:
    rows = [(f"`{key}`", _default(one), _bounds(one), one.description) for key, one in fields]
    return _rows(("setting", "default", "bounds", "what it does"), rows)


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    return "" if value in (None, "", [], {}) else f"`{value!r}`"


def _bounds(field: Any) -> str:
    found = {}
    for bound in field.metadata:
        for name in ("ge", "gt", "le", "lt"):
            if hasattr(bound, name):
                found[name] = getattr(bound, name)
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return ", ".join(f"{signs[name]} {value}" for name, value in found.items())


def _rows(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        cells = (str(cell or "").replace("|", "\\|").replace("\n", " ") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def error_tree() -> str:
    """The tree of errors as its module draws it, with HTTP statuses."""
    tree = (errors.__doc__ or "").partition("\n\n")[2]
    return "```text\n" + inspect.cleandoc(tree) + "\n```"


def cli() -> str:
    """Every command with its arguments and options."""
    with TemporaryDirectory() as folder:
        command = typer.main.get_command(build_cli(Application.create(Paths(Path(folder)))))
        return "\n".join(_command(command, "jackfield", None))


def _command(command: Any, path: str, parent: Any) -> list[str]:
    context = command.make_context(path.split()[-1], [], parent=parent, resilient_parsing=True)
    level = "#" * min(4, path.count(" ") + 2)
    lines = [f"{level} `{path}`", "", inspect.cleandoc(command.help or ""), ""]
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and "--help" not in record[0]:
            rows.append((f"`{record[0]}`", re.sub(r"\s+", " ", record[1])))
    if rows:
        lines += [_rows(("option", "what it does"), rows), ""]
    if hasattr(command, "list_commands"):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                lines += _command(inner, f"{path} {name}", context)
    return lines


def api() -> str:
    """Every HTTP route."""
    with TemporaryDirectory() as folder:
        schema = build_api(Application.create(Paths(Path(folder)))).openapi()
    rows = []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            first = (operation.get("description") or operation.get("summary") or "").split("\n")[0]
            rows.append((f"`{method.upper()} {path}`", first))
    return _rows(("route", "what it does"), rows)
