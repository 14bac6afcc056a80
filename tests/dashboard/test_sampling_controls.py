"""The controls made from the sampling parameters."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from jackfield.dashboard.sampling_controls import BASIC, controls
from jackfield.sampling import SamplingParams

SEVEN = [
    "temperature",
    "max_tokens",
    "stop",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
]


def script(values: dict, supported: list | None, made: dict) -> None:
    from jackfield.dashboard import sampling_controls
    from jackfield.sampling import SamplingParams

    sampling_controls.draw(
        values,
        SamplingParams(),
        None if supported is None else frozenset(supported),
        scope="t",
        change=made.__setitem__,
    )


def drawn(values: dict[str, Any], supported: list[str] | None) -> tuple[AppTest, dict[str, Any]]:
    made: dict[str, Any] = {}
    app = AppTest.from_function(script, args=(values, supported, made), default_timeout=30)
    app.session_state["t.more"] = True
    app.run()
    assert not app.exception
    return app, made


def test_every_parameter_has_a_control_with_its_help_and_group() -> None:
    made = {control.name: control for control in controls()}
    assert set(made) == set(SamplingParams.model_fields)
    for name, control in made.items():
        assert SamplingParams.model_fields[name].description in control.help
        assert control.group
    assert [name for name, one in made.items() if one.group == BASIC] == SEVEN


@pytest.mark.parametrize("field", sorted(SamplingParams.model_fields))
def test_every_parameter_can_be_drawn_with_its_default(field: str) -> None:
    app, made = drawn({}, [field])
    assert made == {}
    keys = set(app.session_state.keys())
    assert f"t.{field}" in keys


@pytest.mark.parametrize(
    ("kind", "field", "entered", "value"),
    [
        ("slider", "temperature", 1.25, 1.25),
        ("number_input", "max_tokens", 12, 12),
        ("text_area", "stop", "###\n\\n\\n\nEnd", ["###", "\n\n", "End"]),
        ("number_input", "top_k", 5, 5),
        ("text_area", "logit_bias", "12: -100\n7: 2.5", {12: -100.0, 7: 2.5}),
        ("text_area", "json_schema", '{"type": "object"}', {"type": "object"}),
        ("toggle", "ignore_eos", True, True),
        ("multiselect", "samplers", ["top_k", "temperature"], ["top_k", "temperature"]),
    ],
)
def test_what_is_entered_becomes_the_parameter(
    kind: str, field: str, entered: Any, value: Any
) -> None:
    app, made = drawn({}, list(SamplingParams.model_fields))
    getattr(app, kind)(key=f"t.{field}").set_value(entered).run()
    assert made == {field: value}
    assert SamplingParams(**made)


@pytest.mark.parametrize(
    ("field", "entered", "words"),
    [
        ("logit_bias", "twelve: 3", "a colon and a number"),
        ("json_schema", "{", "not JSON"),
        ("stop", "\n".join(map(str, range(70))), "at most 64"),
    ],
)
def test_what_is_not_valid_is_explained_and_not_taken(field: str, entered: str, words: str) -> None:
    app, made = drawn({}, list(SamplingParams.model_fields))
    app.text_area(key=f"t.{field}").set_value(entered).run()
    assert made == {}
    assert any(words in caption.value for caption in app.caption)


def test_a_saved_value_is_shown_as_it_is_typed() -> None:
    app, _ = drawn({"stop": ["\n\n", "a\\b"], "logit_bias": {5: -1.0}}, ["logit_bias", "stop"])
    assert app.text_area(key="t.stop").value == "\\n\\n\na\\\\b"
    assert app.text_area(key="t.logit_bias").value == "5: -1"


def test_a_basic_parameter_that_the_loader_lacks_is_switched_off_and_says_so() -> None:
    app, _ = drawn({}, ["temperature"])
    assert not app.slider(key="t.temperature").disabled
    assert app.slider(key="t.top_p").disabled
    assert "does not have it" in app.slider(key="t.top_p").help


def test_without_a_model_only_the_basic_parameters_stand_there() -> None:
    app, _ = drawn({}, None)
    assert any("Load a model" in caption.value for caption in app.caption)
    assert "t.seed" not in set(app.session_state.keys())
