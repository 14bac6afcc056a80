"""Flags of the command line, made from the sampling parameters."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import ValidationError

from jackfield.errors import InvalidRequest
from jackfield.sampling import SamplingParams

METAVARS = {"logit_bias": "TOKEN=BIAS", "json_schema": "JSON|FILE", "grammar": "GBNF|FILE"}


def with_sampling(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for each sampling parameter.

    The function gets those that were used as its argument ``sampling``.
    """

    @wraps(function)
    def command(**values: Any) -> None:
        names = SamplingParams.model_fields
        given = {name: values.pop(name) for name in names}
        used = {name: value for name, value in given.items() if value not in (None, [])}
        function(sampling=checked(used), **values)

    hints = inspect.get_annotations(function, eval_str=True)
    own = [
        one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for one in inspect.signature(function).parameters.values()
        if one.name != "sampling"
    ]
    flags = [_flag(name) for name in SamplingParams.model_fields]
    command.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined] # for Typer
    command.__annotations__ = {one.name: one.annotation for one in [*own, *flags]}
    return command


def checked(values: dict[str, Any]) -> SamplingParams:
    """Sampling parameters from flags.

    Raises:
        InvalidRequest: a value out of bounds.
    """
    try:
        if "logit_bias" in values:
            values["logit_bias"] = _biases(values["logit_bias"])
        if "json_schema" in values:
            values["json_schema"] = _schema(values["json_schema"])
        if "grammar" in values:
            values["grammar"] = _grammar(values["grammar"])
        return SamplingParams(**values)
    except ValidationError as error:
        first = error.errors()[0]
        flag = "--" + str(first["loc"][0]).replace("_", "-")
        raise InvalidRequest(
            f"{flag}: {first['msg']}.", hint="Help: jackfield run --help"
        ) from error


def _flag(name: str) -> inspect.Parameter:
    field = SamplingParams.model_fields[name]
    kind: Any = _kind(field.annotation)
    extra = field.json_schema_extra
    panel = str(extra["group"]).capitalize() if isinstance(extra, dict) else "Sampling"
    option = typer.Option(
        "--" + name.replace("_", "-"),
        metavar=METAVARS.get(name) or _metavar(kind),
        help=str(field.description).replace("One per line.", "May be given several times."),
        rich_help_panel=f"Sampling: {panel.lower()}",
        show_default=False,
    )
    default: Any = None
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, option],
    )


def _kind(annotation: Any) -> Any:
    """The type a flag takes for a field's type."""
    inner = [one for one in get_args(annotation) if one is not type(None)]
    if get_origin(annotation) is Literal:
        return type(inner[0]) | None
    if get_origin(annotation) in (list, dict):
        return list[str] | None
    if annotation in (int | None, float | None):
        return annotation
    return annotation | None if annotation in (int, float, bool, str) else str | None


def _metavar(kind: Any) -> str | None:
    """What stands for the value in the help; None for a switch, which has none."""
    words = {int | None: "NUMBER", float | None: "NUMBER", bool | None: None}
    return words.get(kind, "TEXT")


def _grammar(text: str) -> str:
    """A grammar, or the file it stands in."""
    if "::=" in text:
        return text
    try:
        return Path(text).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"--grammar takes a GBNF grammar or a file: {error}.") from error


def _biases(words: list[str]) -> dict[int, float]:
    """``ID=BIAS`` as a token's bias."""
    try:
        pairs = [word.split("=", 1) for word in words]
        return {int(token): float(bias) for token, bias in pairs}
    except ValueError as error:
        raise InvalidRequest(
            f"--logit-bias takes TOKEN=BIAS with a token's id, not {' '.join(words)!r}."
        ) from error


def _schema(text: str) -> Any:
    """A JSON schema, or the file it stands in."""
    try:
        if not text.lstrip().startswith("{"):
            text = Path(text).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"--json-schema takes a JSON schema or a file: {error}.") from error
