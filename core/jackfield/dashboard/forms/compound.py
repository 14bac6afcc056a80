"""Fields of more than one widget: secrets, tables, groups and variants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from jackfield.dashboard.forms.fields import FormField
from jackfield.dashboard.forms.widgets import Place, read_scalar

DrawFields = Callable[[Sequence[FormField], Place, Mapping[str, Any]], dict[str, Any]]


def draw_secret(field: FormField, place: Place) -> str | None:
    """A password: "" leaves it as it is, None removes it. What is saved never leaves the server."""
    saved = bool(place.value)
    marked = place.state.kept.get(place.path) == "remove"
    key = place.state.seed(place.path, "")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input(
            field.label,
            key=key,
            type="password",
            autocomplete="new-password",
            placeholder="Saved. Leave empty to keep it" if saved else "Not set",
            help=f"{field.help}\n\nKept apart from the other settings and never shown again.",
            on_change=place.answer,
            disabled=place.disabled or marked,
        )
        if saved:
            st.button(
                "Keep it" if marked else "Remove",
                key=f"{key}:remove",
                icon=":material/undo:" if marked else ":material/key_off:",
                on_click=_mark,
                args=(place, not marked),
                disabled=place.disabled,
            )
    if marked:
        st.caption(":orange[Will be removed when you save.]")
        return None
    return typed or ""


def _mark(place: Place, remove: bool) -> None:
    place.state.kept[place.path] = "remove" if remove else ""


def draw_table(field: FormField, place: Place) -> dict[str, Any]:
    """Names and values, a row each. A name given twice keeps its last value."""
    kept = place.state.kept
    rows: list[int] = kept.setdefault(place.path, list(range(len(place.value or {}))))
    given = list((place.value or {}).items())
    st.markdown(f":small[{field.label}]", help=field.help or None)
    table: dict[str, Any] = {}
    for row in rows:
        name, value = given[row] if row < len(given) else ("", "")
        with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="xsmall"):
            name = _cell("Name", place, f"{row}.name", name)
            value = _cell("Value", place, f"{row}.value", value)
            st.button(
                "Remove row",
                key=place.state.key(f"{place.path}.{row}.remove"),
                icon=":material/close:",
                type="tertiary",
                on_click=_remove_row,
                args=(place, row),
                disabled=place.disabled,
            )
        if name.strip():
            table[name.strip()] = read_scalar(field.item, value.strip())
    st.button(
        "Add row",
        key=place.state.key(f"{place.path}.add"),
        icon=":material/add:",
        on_click=_add_row,
        args=(place,),
        disabled=place.disabled,
    )
    return table


def _cell(label: str, place: Place, name: str, value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return (
        st.text_input(
            label,
            key=place.state.seed(f"{place.path}.{name}", text),
            placeholder=label,
            label_visibility="collapsed",
            on_change=place.answer,
            disabled=place.disabled,
            persist_state="session",
        )
        or ""
    )


def _add_row(place: Place) -> None:
    rows = place.state.kept.get(place.path, [])
    place.state.kept[place.path] = [*rows, max([*rows, len(place.value or {}) - 1]) + 1]


def _remove_row(place: Place, row: int) -> None:
    rows = place.state.kept.get(place.path, [])
    place.state.kept[place.path] = [one for one in rows if one != row]


def draw_group(field: FormField, place: Place, draw: DrawFields) -> dict[str, Any]:
    """A model inside the model."""
    with st.container(border=True):
        st.markdown(f"**{field.label}**", help=field.help or None)
        return draw(field.fields, place, place.value or {})


def draw_variants(field: FormField, place: Place, draw: DrawFields) -> dict[str, Any]:
    """One of several models, chosen by its tag; the others' fields come and go with the choice."""
    value = place.value or field.start
    with st.container(border=True):
        tag = st.selectbox(
            field.label,
            list(field.variants),
            key=place.state.seed(f"{place.path}.{field.tag}", value[field.tag]),
            format_func=lambda name: name.replace("_", " "),
            help=field.help or None,
            disabled=place.disabled,
            persist_state="session",
        )
        chosen = str(tag)
        values = value if value[field.tag] == chosen else {}
        # Validation puts the tag into the place of an error, so the path has it too.
        inner = draw(field.variants[chosen], place.inner(chosen, values), values)
    return {field.tag: chosen, **inner}


def draw_optional(field: FormField, place: Place) -> bool:
    """Whether a field of more than one widget is there at all."""
    key = place.state.seed(f"{place.path}.on", place.value is not None)
    return st.toggle(
        f"Set {field.label[:1].lower()}{field.label[1:]}",
        key=key,
        help=field.help or None,
        disabled=place.disabled,
        persist_state="session",
    )
