"""A form drawn from a JSON schema and the values it begins with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import streamlit as st

from jackfield.dashboard.forms.compound import (
    draw_group,
    draw_optional,
    draw_secret,
    draw_table,
    draw_variants,
)
from jackfield.dashboard.forms.fields import FormField, read_fields, shown
from jackfield.dashboard.forms.state import FormState
from jackfield.dashboard.forms.widgets import (
    Answer,
    Place,
    default_seen,
    draw_widget,
    fits,
)

COMPOUND = ("table", "group", "variants", "lines", "choices", "json")
"""Kinds that cannot show None themselves, so a switch says whether they are there."""


def draw_form(
    schema: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    prefix: str,
    errors: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
    first: int = 0,
    answer: Answer = "rerun",
    disabled: bool = False,
) -> dict[str, Any]:
    """Draw the fields of a pydantic model and return what they hold, as JSON.

    What was typed stays until ``values`` are others than before or :func:`forget` is called. The
    returned values are not validated: do that with the model, and hand its messages back in
    ``errors`` at the next run. A secret is "" when it stays as it is and None when it is removed.

    Args:
        schema: ``Model.model_json_schema()``.
        values: current values; a field without one begins with its default. A secret that is
            saved is any text, e.g. ``set``.
        prefix: unique in the whole dashboard, e.g. ``plugins:shout``; one form each.
        errors: messages by field, ``outer.inner`` for nested ones; "" for the whole.
        only: names of the fields to draw; all if not given.
        first: so many fields are in sight and the others behind "More options"; 0 for all.
        answer: ``rerun`` tells of each change at once, ``ignore`` with the next button.
        disabled: only show.
    """
    state = FormState(prefix)
    state.show(values)
    fields = [field for field in read_fields(schema) if only is None or field.name in only]
    form = _Form(errors or {})
    place = Place(state, "", None, answer, disabled)
    first = first if 0 < first < len(fields) else len(fields)
    drawn = form.fields(fields[:first], place, values)
    if fields[first:]:
        with form.more(fields[first:]):
            drawn |= form.fields(fields[first:], place, values)
    form.rest()
    return drawn


def forget(prefix: str) -> None:
    """Let a form begin again with the values it is given; what was typed is gone."""
    FormState(prefix).forget()


class _Form:
    """One drawing of a form; ``errors`` are those that no field has shown yet."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self._errors = dict(errors)
        self._above = st.container() if errors else None

    def more(self, fields: Sequence[FormField]) -> AbstractContextManager[Any]:
        """The place of fields that are seldom needed; open where something in it is wrong."""
        wrong = any(self._about(field.name) for field in fields)
        return st.expander(f"More options ({len(fields)})", expanded=wrong)

    def fields(
        self, fields: Sequence[FormField], place: Place, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        drawn = {}
        for field in fields:
            value = values.get(field.name, field.start)
            path = f"{place.path}.{field.name}".lstrip(".")
            drawn[field.name] = self._field(field, place, path, value)
        return drawn

    def rest(self) -> None:
        """Show what is wrong with the whole, or with a field that is not drawn."""
        for path, message in self._errors.items():
            if self._above is not None:
                self._above.error(f"{path}: {message}" if path else message)

    def _field(self, field: FormField, outer: Place, path: str, value: Any) -> Any:
        problem = ""
        if field.kind != "secret" and not fits(field, value):
            problem = f"The saved value {shown(value)!r} cannot be used; here is the default."
            value = field.start
        place = Place(outer.state, path, value, outer.answer, outer.disabled)
        drawn = (
            self._compound(field, place) if field.kind in COMPOUND else self._simple(field, place)
        )
        messages = self._messages(path)
        if problem and not messages:
            messages = [problem]
        for message in messages:
            st.markdown(f":red[:material/error: {message}]")
        return drawn

    def _simple(self, field: FormField, place: Place) -> Any:
        if field.kind == "secret":
            return draw_secret(field, place)
        own_switch = field.nullable and field.kind in COMPOUND
        if field.default is ... or own_switch or place.disabled:
            return draw_widget(field, place)
        row = st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", wrap=False)
        with row:
            drawn = draw_widget(field, place)
            if drawn != field.default:
                _draw_reset(field, place)
        return drawn

    def _compound(self, field: FormField, place: Place) -> Any:
        if field.nullable:
            if not draw_optional(field, place):
                return None
            if place.value is None:
                place = msgspec.structs.replace(place, value=field.empty)
        match field.kind:
            case "table":
                return draw_table(field, place)
            case "group":
                return draw_group(field, place, self.fields)
            case "variants":
                return draw_variants(field, place, self.fields)
        return self._simple(field, place)

    def _messages(self, path: str) -> list[str]:
        """What is wrong with a field or anything in it that has not been shown already."""
        return [self._errors.pop(one) for one in self._about(path)]

    def _about(self, path: str) -> list[str]:
        return [one for one in self._errors if one == path or one.startswith(f"{path}.")]


def _draw_reset(field: FormField, place: Place) -> None:
    st.button(
        "Reset",
        key=place.state.key(f"{place.path}:reset"),
        icon=":material/undo:",
        type="tertiary",
        help=f"Back to the default: {shown(field.default)}",
        on_click=_reset,
        args=(field, place),
    )


def _reset(field: FormField, place: Place) -> None:
    place.state.put(place.path, default_seen(field))
