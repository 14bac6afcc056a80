"""Controls for the sampling parameters, made from the schema of SamplingParams."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import msgspec
import streamlit as st
from pydantic import ValidationError

from jackfield.dashboard.callbacks import take
from jackfield.sampling import SAMPLERS, SamplingParams

Values: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[str, Any], None]

BASIC = "basic"
GROUPS = {
    "candidates": "Which words are considered",
    "repetition": "Against repetition",
    "temperature": "More on temperature",
    "general": "General",
    "output": "Form of the reply",
}
"""Titles of the groups behind "More", in their order; others come after by their own name."""

LONGEST_SLIDER = 10
"""A wider range of numbers is typed, not dragged."""

_LABELS = {"stop": "Stop sequences"}
_UPPER = {"dry": "DRY", "xtc": "XTC", "json": "JSON", "eos": "end-of-text token"}


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter as it is drawn.

    Attributes:
        kind: ``number``, ``switch``, ``choice``, ``lines``, ``order``, ``biases``, ``json``
            or ``text``.
        whole: a number without decimals.
        optional: may be left empty.
    """

    name: str
    label: str
    help: str
    group: str
    kind: str
    low: float | None = None
    high: float | None = None
    whole: bool = False
    optional: bool = False
    choices: tuple[Any, ...] = ()


def controls() -> list[Control]:
    """A control for each sampling parameter, in the order of the class."""
    schema = SamplingParams.model_json_schema()["properties"]
    return [_control(name, field) for name, field in schema.items()]


def draw(
    values: Values,
    base: SamplingParams,
    supported: frozenset[str] | None,
    *,
    scope: str,
    change: Change,
) -> None:
    """Draw the basic parameters, and the others that the model honours behind "More".

    Args:
        values: what is set; the other parameters show ``base``.
        supported: fields the loaded model honours; None while no model is loaded.
        scope: a prefix for widget keys; another one begins with fresh widgets.
        change: is called with a parameter's name and its new value.
    """
    every = controls()
    for control in every:
        if control.group == BASIC:
            lacking = supported is not None and control.name not in supported
            _draw_one(control, values, base, scope, change, disabled=lacking)
    more = st.expander("More", icon=":material/tune:", key=f"{scope}.more", on_change="rerun")
    if not more.open:
        return
    with more:
        if supported is None:
            st.caption("Load a model to see which further parameters it understands.")
            return
        rest = [one for one in every if one.group != BASIC and one.name in supported]
        for group in sorted({one.group for one in rest}, key=_place):
            st.markdown(f"**{GROUPS.get(group, group.capitalize())}**")
            for control in rest:
                if control.group == group:
                    _draw_one(control, values, base, scope, change)


def _place(group: str) -> tuple[int, str]:
    return (list(GROUPS).index(group) if group in GROUPS else len(GROUPS), group)


def _control(name: str, field: Mapping[str, Any]) -> Control:
    options = field.get("anyOf", [field])
    plain = next(one for one in options if one.get("type") != "null")
    kind = {"boolean": "switch", "string": "text", "array": "lines"}.get(plain["type"], "number")
    if name == "samplers":
        kind = "order"
    elif plain["type"] == "object":
        kind = "biases" if name == "logit_bias" else "json"
    elif "enum" in plain:
        kind = "choice"
    help_ = field["description"]
    if source := field.get("source"):
        help_ += f"\n\nSource: {source}"
    words = [_UPPER.get(word, word) for word in name.split("_")]
    label = _LABELS.get(name, " ".join(words))
    return Control(
        name=name,
        label=label[0].upper() + label[1:],
        help=help_,
        group=field["group"],
        kind=kind,
        low=plain.get("minimum"),
        high=plain.get("maximum"),
        whole=plain["type"] == "integer",
        optional=len(options) > 1,
        choices=tuple(plain.get("enum", ())),
    )


def _draw_one(
    control: Control,
    values: Values,
    base: SamplingParams,
    scope: str,
    change: Change,
    *,
    disabled: bool = False,
) -> None:
    key = f"{scope}.{control.name}"
    value = _shown(control, values.get(control.name, getattr(base, control.name)))
    help_ = control.help
    if disabled:
        help_ += "\n\nThe loaded model's loader does not have it."
    drawn = st.session_state.get(key, value)
    common: dict[str, Any] = {"key": key, "help": help_, "disabled": disabled}
    common["on_change"] = partial(_changed, control, key, drawn, change)
    _widget(control, value, common)
    if wrong := st.session_state.get(f"{key}.error"):
        st.caption(f":red[{wrong}]")


def _widget(control: Control, value: Any, common: Values) -> None:
    """Draw a widget.

    Its value is handed over as its default: kept in the session's state alone, it would fall back
    to the lowest one if the browser forgot the widget while a drawing was broken off.
    """
    match control.kind:
        case "number":
            _number(control, value, common)
        case "switch":
            st.toggle(control.label, value, **common)
        case "choice":
            st.segmented_control(
                control.label, control.choices, default=value, required=True, **common
            )
        case "order":
            st.multiselect(
                control.label, SAMPLERS, value, placeholder="The default order", **common
            )
        case _:
            placeholders = {"lines": "One per line", "biases": "token id: bias", "json": "{ }"}
            shown = placeholders.get(control.kind, "")
            st.text_area(control.label, value, height=80, placeholder=shown, **common)


def _number(control: Control, value: Any, common: Values) -> None:
    low, high = control.low, control.high
    if low is None or high is None:
        raise ValueError(f"the parameter {control.name!r} has no bounds")
    step = 1 if control.whole else 0.01 if high - low <= 1 else 0.05
    typed = (
        control.optional
        or high - low > LONGEST_SLIDER
        or abs(low / step - round(low / step)) > 1e-6
    )
    if not typed:
        kind = int if control.whole else float
        st.slider(control.label, kind(low), kind(high), value, step=kind(step), **common)
        return
    empty = "No limit" if control.name == "max_tokens" else "Not set"
    bounds: dict[str, Any] = {"min_value": low, "max_value": high, "step": step}
    if control.whole:
        bounds = {name: int(bound) for name, bound in bounds.items()}
    else:
        bounds = {name: float(bound) for name, bound in bounds.items()}
    if control.optional:  # only one without a default can be emptied
        st.session_state.setdefault(common["key"], value)
        value = None
    st.number_input(control.label, value=value, placeholder=empty, **bounds, **common)


def _shown(control: Control, value: Any) -> Any:
    """A parameter's value as its widget holds it."""
    match control.kind:
        case "lines":
            return "\n".join(_escaped(line) for line in value)
        case "biases":
            return "\n".join(f"{token}: {bias:g}" for token, bias in value.items())
        case "json":
            return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)
        case "number" if value is not None and not control.whole:
            return float(value)
    return value


def _read(control: Control, shown: Any) -> Any:
    """A parameter's value from its widget's.

    Raises:
        ValueError: it is not written as it must be.
    """
    match control.kind:
        case "lines":
            return [_unescaped(line) for line in shown.split("\n") if line]
        case "biases":
            pairs = [line.partition(":") for line in shown.splitlines() if line.strip()]
            try:
                return {int(token): float(bias) for token, _, bias in pairs}
            except ValueError:
                raise ValueError("Write a token's id, a colon and a number on each line.") from None
        case "json":
            try:
                return json.loads(shown) if shown.strip() else None
            except json.JSONDecodeError as error:
                raise ValueError(f"This is not JSON: {error.msg} in line {error.lineno}.") from None
        case "number" if isinstance(shown, float):
            return round(shown, 6)
    return shown


def _changed(control: Control, key: str, drawn: Any, change: Change) -> None:
    """Hand on what was entered, or say what is wrong with it."""
    wrong: list[str] = []

    def note(shown: Any) -> None:
        try:
            value = _read(control, shown)
            SamplingParams.model_validate({control.name: value})
        except ValidationError as error:
            wrong.append(error.errors()[0]["msg"].removeprefix("Value error, "))
        except ValueError as error:
            wrong.append(str(error))
        else:
            change(control.name, value)

    take(key, note, drawn=drawn)
    st.session_state[f"{key}.error"] = " ".join(wrong)


def _escaped(line: str) -> str:
    r"""Line breaks and tabs written as ``\n`` and ``\t``."""
    return line.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def _unescaped(line: str) -> str:
    found = {"\\\\": "\\", "\\n": "\n", "\\t": "\t"}
    shown = ""
    at = 0
    while at < len(line):
        pair = line[at : at + 2]
        shown += found.get(pair, line[at])
        at += 2 if pair in found else 1
    return shown
