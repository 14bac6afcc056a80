"""The widgets of the simple fields: each draws one and returns its value as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec
import streamlit as st

from jackfield.dashboard.forms.fields import FormField, Kind, shown
from jackfield.dashboard.forms.state import FormState

Answer: TypeAlias = Literal["rerun", "ignore"]
MOST_SEGMENTS = 4
LONGEST_SEGMENTS = 32  # characters of all choices together
LONGEST_SLIDER = {"integer": 100, "number": 10}
LARGEST = (1 << 53) - 1
"""The largest whole number a browser can hold."""
NEW_LINE = "⏎"


class Place(msgspec.Struct, frozen=True):
    """Where a field stands in its form.

    Attributes:
        state: the form's memory.
        path: names from the form down to the field, with dots between.
        value: what to begin with.
        answer: whether a change is told to the server at once or with the next button.
        disabled: whether it only shows.
    """

    state: FormState
    path: str
    value: Any
    answer: Answer = "rerun"
    disabled: bool = False

    def inner(self, name: str, value: Any) -> Place:
        """The place of a field inside this one."""
        return msgspec.structs.replace(self, path=f"{self.path}.{name}", value=value)


def draw_widget(field: FormField, place: Place) -> Any:
    """Draw a field that is one widget and return what it holds."""
    key = place.state.seed(place.path, _SEEN.get(field.kind, _itself)(field, place.value))
    return _DRAW[field.kind](field, place, key)


def default_seen(field: FormField) -> Any:
    """The default as the field's widget holds it."""
    return _SEEN.get(field.kind, _itself)(field, field.start)


def fits(field: FormField, value: Any) -> bool:
    """Whether a field's widget can show a value; what was saved need not be valid."""
    if value is None:
        return field.nullable
    match field.kind:
        case "integer" | "number":
            kinds = int if field.kind == "integer" else int | float
            low, high = _bounds(field)
            return (
                isinstance(value, kinds)
                and not isinstance(value, bool)
                and (low is None or value >= low)
                and (high is None or value <= high)
                and abs(value) <= LARGEST
            )
        case "switch":
            return isinstance(value, bool)
        case "choice":
            return value in field.choices
        case "choices":
            return isinstance(value, list) and all(one in field.choices for one in value)
        case "lines":
            return isinstance(value, list)
        case "table" | "group":
            return isinstance(value, Mapping)
        case "variants":
            return isinstance(value, Mapping) and value.get(field.tag) in field.variants
        case "json":
            return True
    return isinstance(value, str)


def _common(field: FormField, place: Place) -> dict[str, Any]:
    """What all widgets take."""
    return {
        "help": _help(field),
        "on_change": place.answer,
        "disabled": place.disabled,
        "persist_state": None if field.kind == "secret" else "session",
    }


def _help(field: FormField) -> str:
    secret_or_plain = field.kind in ("secret", "group", "variants") or field.default is ...
    default = "" if secret_or_plain else f"Default: {shown(field.default)}. "
    return f"{field.help}\n\n{default}Called `{field.name}` in files and commands.".strip()


def _text(field: FormField, place: Place, key: str) -> Any:
    limit = field.longest or None
    placeholder = "Not set" if field.nullable else None
    value = st.text_input(
        field.label,
        key=key,
        max_chars=limit,
        placeholder=placeholder,
        **_common(field, place),
    )
    return None if field.nullable and not value else value


def _long_text(field: FormField, place: Place, key: str) -> Any:
    rows = min(12, max(3, str(st.session_state[key]).count("\n") + 2))
    value = st.text_area(
        field.label,
        key=key,
        height=rows * 26,
        max_chars=field.longest or None,
        **_common(field, place),
    )
    return None if field.nullable and not value else value


def _number(field: FormField, place: Place, key: str) -> Any:
    if slides(field, place.value):
        step = _slider_step(field)
        value = st.slider(
            field.label,
            min_value=_cast(field, field.minimum),
            max_value=_cast(field, field.maximum),
            step=_cast(field, step),
            key=key,
            **_common(field, place),
        )
        return value if field.kind == "integer" else round(value, _decimals(step))
    low, high = _bounds(field)
    return st.number_input(
        field.label,
        min_value=_cast(field, low),
        max_value=_cast(field, high),
        value=None if field.nullable else "min",
        step=_cast(field, field.step or (0.1 if _is_fine(field) else 1)),
        format="%d" if field.kind == "integer" else "%.10g",
        key=key,
        placeholder="Not set" if field.nullable else None,
        **_common(field, place),
    )


def slides(field: FormField, value: Any) -> bool:
    """Whether a number is drawn as a slider: both bounds near, and the value on one of its steps.

    A slider moves a value that lies between two steps, so such a one gets a number box.
    """
    low, high = field.minimum, field.maximum
    if field.nullable or low is None or high is None or not low < high:
        return False
    if high - low > LONGEST_SLIDER[field.kind] or max(abs(low), abs(high)) > LARGEST:
        return False
    steps = [(one - low) / _slider_step(field) for one in (value, high)]
    return all(math.isclose(one, round(one), abs_tol=1e-6) for one in steps)


def _slider_step(field: FormField) -> float:
    if field.step or field.kind == "integer":
        return field.step or 1
    reach = (field.maximum or 0) - (field.minimum or 0)
    return 0.01 if reach <= 1 else 0.05 if reach <= 5 else 0.1


def _is_fine(field: FormField) -> bool:
    """Whether tenths matter: a real number between bounds that are not far apart."""
    low, high = field.minimum, field.maximum
    near = low is not None and high is not None and high - low <= 100
    return field.kind == "number" and near


def _decimals(step: float) -> int:
    return max(0, -math.floor(math.log10(step))) + 1 if step < 1 else 6


def _bounds(field: FormField) -> tuple[float | None, float | None]:
    """Bounds that a browser can hold."""
    low, high = field.minimum, field.maximum
    return (
        None if low is None or abs(low) > LARGEST else low,
        None if high is None or abs(high) > LARGEST else high,
    )


def _cast(field: FormField, value: float | None) -> Any:
    if value is None:
        return None
    return int(value) if field.kind == "integer" else float(value)


def _switch(field: FormField, place: Place, key: str) -> Any:
    if field.nullable:
        return st.segmented_control(
            field.label,
            [True, False],
            format_func=lambda on: "On" if on else "Off",
            key=key,
            **_common(field, place),
        )
    return st.toggle(field.label, key=key, **_common(field, place))


def _choice(field: FormField, place: Place, key: str) -> Any:
    def name(choice: Any) -> str:
        return field.names.get(str(choice), str(choice))

    wide = sum(len(name(one)) for one in field.choices)
    if len(field.choices) <= MOST_SEGMENTS and wide <= LONGEST_SEGMENTS:
        return st.segmented_control(
            field.label,
            field.choices,
            required=not field.nullable,
            format_func=name,
            key=key,
            **_common(field, place),
        )
    return st.selectbox(
        field.label,
        field.choices,
        index=None if field.nullable else 0,
        placeholder="Not set",
        format_func=name,
        key=key,
        **_common(field, place),
    )


def _choices(field: FormField, place: Place, key: str) -> Any:
    return st.multiselect(field.label, field.choices, key=key, **_common(field, place))


def _lines(field: FormField, place: Place, key: str) -> Any:
    text = st.text_area(
        field.label,
        key=key,
        height=min(8, max(3, str(st.session_state[key]).count("\n") + 2)) * 26,
        placeholder="One per line",
        **_common(field, place),
    )
    lines = [line for line in (text or "").split("\n") if line.strip()]
    if field.item != "text":
        return [read_scalar(field.item, line.strip()) for line in lines]
    return ["\n" if line == r"\n" else line.replace(NEW_LINE, "\n") for line in lines]


def _seen_lines(field: FormField, value: Any) -> str:
    return "\n".join(str(one).replace("\n", NEW_LINE) for one in value or [])


def _json(field: FormField, place: Place, key: str) -> Any:
    text = st.text_area(field.label, key=key, placeholder="JSON", **_common(field, place))
    if not (text or "").strip():
        return None if field.nullable or field.default is None else field.start
    try:
        return json.loads(text)
    except ValueError:
        return text  # the model's own validation says what it should have been


def _seen_json(field: FormField, value: Any) -> str:
    if value in (None, {}, []):
        return ""
    return json.dumps(value, indent=2, ensure_ascii=False)


def read_scalar(kind: Kind, text: str) -> Any:
    """A number typed as text; text that is none stays as it is, for validation to refuse."""
    if kind not in ("integer", "number"):
        return text
    try:
        return int(text) if kind == "integer" else float(text)
    except ValueError:
        return text


def _itself(field: FormField, value: Any) -> Any:
    return value


_SEEN: Mapping[str, Callable[[FormField, Any], Any]] = {
    "text": lambda field, value: value or "",
    "long text": lambda field, value: value or "",
    "number": lambda field, value: None if value is None else float(value),
    "lines": _seen_lines,
    "json": _seen_json,
}
"""How a value looks inside its widget, where that is not the value itself."""
_DRAW: Mapping[str, Callable[[FormField, Place, str], Any]] = {
    "text": _text,
    "long text": _long_text,
    "integer": _number,
    "number": _number,
    "switch": _switch,
    "choice": _choice,
    "choices": _choices,
    "lines": _lines,
    "json": _json,
}
