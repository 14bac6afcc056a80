from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError
from streamlit.testing.v1 import AppTest

from jackfield.plugin import LongText
from jackfield.sampling import SamplingParams


class Color(Enum):
    RED = "red"
    GREEN = "green"


class Inner(BaseModel):
    depth: int = Field(2, ge=0, le=9)
    note: str = "hello"


class Circle(BaseModel):
    kind: Literal["circle"] = "circle"
    radius: float = Field(1.0, ge=0, le=5)


class Square(BaseModel):
    kind: Literal["square"] = "square"
    side: int = Field(3, ge=1, le=10)


class Everything(BaseModel):
    text: str = Field("plain", description="A short text", max_length=20)
    essay: LongText = "a\nb"
    token: SecretStr = SecretStr("")
    near: int = Field(3, ge=0, le=10)
    far: int = Field(4096, ge=0, le=10_000_000)
    free: int = 7
    share: float = Field(0.5, ge=0, le=1)
    wide: float = Field(0.0, ge=0, le=1e9)
    maybe: int | None = Field(None, ge=1)
    maybe_text: str | None = None
    maybe_switch: bool | None = None
    maybe_lines: list[str] | None = None
    on: bool = True
    color: Color = Color.RED
    size: Literal["small", "medium", "large", "huge", "gigantic"] = "small"
    pair: Literal["a", "b"] = "a"
    days: list[Literal["mon", "tue"]] = []
    stops: list[str] = ["\n", "end"]
    shares: list[float] = []
    names: dict[str, str] = {"a": "b"}
    weights: dict[str, float] = {}
    anything: dict[str, Any] = {}
    path: Path = Path("/models")
    inner: Inner = Inner()
    maybe_inner: Inner | None = None
    shape: Annotated[Circle | Square, Field(discriminator="kind")] = Circle()
    required: int = Field(ge=1)


def script(schema, values, errors, answer):
    import streamlit as st

    from jackfield.dashboard.forms import draw_form, forget

    st.button("Forget", on_click=forget, args=("test",))
    given = st.session_state.get("given", values)
    found = st.session_state.get("errors", errors)
    drawn = draw_form(schema, given, prefix="test", errors=found, answer=answer)
    st.session_state["drawn"] = drawn


def form(
    model: type[BaseModel],
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
) -> AppTest:
    arguments = (model.model_json_schema(), values or {}, errors or {}, "rerun")
    page = AppTest.from_function(script, args=arguments, default_timeout=20).run()
    assert not page.exception
    return page


def drawn(page: AppTest) -> dict[str, Any]:
    assert not page.exception
    found: dict[str, Any] = page.session_state["drawn"]
    return found


def one_field(annotation: Any, default: Any = ..., **constraints: Any) -> type[BaseModel]:
    from pydantic import create_model

    return create_model("One", value=(annotation, Field(default, **constraints)))


def test_an_untouched_form_returns_the_defaults_and_they_are_valid():
    page = form(Everything, {"required": 5})
    values = drawn(page)
    assert Everything.model_validate(values) == Everything(required=5)


def test_an_untouched_form_returns_the_values_it_was_given():
    given = Everything(
        required=9,
        text="other",
        near=8,
        far=12,
        share=0.333,  # between two steps of a slider
        maybe=4,
        maybe_text="x",
        maybe_switch=False,
        maybe_lines=["a", "b"],
        on=False,
        color=Color.GREEN,
        size="huge",
        days=["tue"],
        stops=["one", "two\nlines"],
        shares=[0.25, 3.0],
        names={"k": "v", "l": "w"},
        weights={"x": 1.5},
        anything={"deep": [1, {"er": None}]},
        inner=Inner(depth=1, note="n"),
        maybe_inner=Inner(),
        shape=Square(side=7),
    )
    page = form(Everything, given.model_dump(mode="json"))
    assert Everything.model_validate(drawn(page)) == given


def test_every_sampling_parameter_can_be_drawn_and_comes_back_unchanged():
    page = form(SamplingParams)
    assert SamplingParams.model_validate(drawn(page)) == SamplingParams()


def test_a_text_is_changed():
    page = form(one_field(str, "before"))
    page.text_input[0].set_value("after").run()
    assert drawn(page) == {"value": "after"}


def test_a_long_text_is_changed():
    page = form(one_field(LongText, "before"))
    page.text_area[0].set_value("after\nmore").run()
    assert drawn(page) == {"value": "after\nmore"}


def test_a_number_between_near_bounds_is_a_slider():
    page = form(one_field(float, 0.5, ge=0, le=1))
    assert (page.slider[0].min, page.slider[0].max) == (0.0, 1.0)
    page.slider[0].set_value(0.3).run()
    assert drawn(page) == {"value": 0.3}


def test_a_number_between_far_bounds_is_a_box():
    page = form(one_field(int, 4096, ge=0, le=10_000_000))
    page.number_input[0].set_value(8192).run()
    assert drawn(page) == {"value": 8192}


def test_bounds_that_a_browser_cannot_hold_are_left_to_validation():
    page = form(one_field(int, 1, ge=0, le=10**30))
    assert drawn(page) == {"value": 1}


def test_an_optional_number_can_be_emptied():
    page = form(one_field(int | None, None, ge=1, le=9), {"value": 4})
    page.number_input[0].set_value(None).run()
    assert drawn(page) == {"value": None}


def test_an_emptied_optional_text_is_none():
    page = form(one_field(str | None, None), {"value": "x"})
    page.text_input[0].set_value("").run()
    assert drawn(page) == {"value": None}


def test_a_switch_is_thrown():
    page = form(one_field(bool, True))
    page.toggle[0].set_value(False).run()
    assert drawn(page) == {"value": False}


def test_a_few_short_choices_stand_side_by_side():
    page = form(one_field(Literal["a", "b"], "a"))
    page.get("segmented_control")[0].set_value("b").run()
    assert drawn(page) == {"value": "b"}


def test_many_choices_are_a_list():
    page = form(one_field(Literal["a", "b", "c", "d", "e"], "a"))
    page.selectbox[0].select("d").run()
    assert drawn(page) == {"value": "d"}


def test_lines_of_text_are_a_list_and_empty_lines_are_not_in_it():
    page = form(one_field(list[str], []))
    page.text_area[0].set_value("one\n\n two\n\\n\na⏎b").run()
    assert drawn(page) == {"value": ["one", " two", "\n", "a\nb"]}


def test_lines_of_numbers_are_numbers_and_what_is_none_is_refused_by_the_model():
    model = one_field(list[float], [])
    page = form(model)
    page.text_area[0].set_value("1.5\nmany").run()
    assert drawn(page) == {"value": [1.5, "many"]}
    with pytest.raises(ValidationError):
        model.model_validate(drawn(page))


def test_rows_of_a_table_are_added_and_removed():
    page = form(one_field(dict[str, float], {"a": 1.0}))
    page.button[-1].click().run()
    page.text_input[2].set_value("b")
    page.text_input[3].set_value("2.5").run()
    assert drawn(page) == {"value": {"a": 1.0, "b": 2.5}}
    next(one for one in page.button if one.label == "Remove row").click().run()
    assert drawn(page) == {"value": {"b": 2.5}}


def test_json_is_read_and_what_is_no_json_is_refused_by_the_model():
    model = one_field(dict[str, Any], {})
    page = form(model)
    page.text_area[0].set_value('{"a": [1]}').run()
    assert drawn(page) == {"value": {"a": [1]}}
    page.text_area[0].set_value("{").run()
    with pytest.raises(ValidationError):
        model.model_validate(drawn(page))


def test_a_nested_model_is_changed_in_its_place():
    page = form(one_field(Inner, Inner()))
    page.slider[0].set_value(5).run()
    assert drawn(page) == {"value": {"depth": 5, "note": "hello"}}


def test_an_optional_model_is_none_until_it_is_switched_on():
    page = form(one_field(Inner | None, None))
    assert drawn(page) == {"value": None}
    page.toggle[0].set_value(True).run()
    assert drawn(page) == {"value": {"depth": 2, "note": "hello"}}


def test_choosing_another_variant_swaps_its_fields():
    page = form(one_field(Circle | Square, Circle(), discriminator="kind"))
    page.slider[0].set_value(2.5).run()
    assert drawn(page) == {"value": {"kind": "circle", "radius": 2.5}}
    page.selectbox[0].select("square").run()
    assert drawn(page) == {"value": {"kind": "square", "side": 3}}
    page.selectbox[0].select("circle").run()
    assert drawn(page) == {"value": {"kind": "circle", "radius": 2.5}}


def test_a_saved_secret_is_not_in_the_page_and_an_empty_field_keeps_it():
    page = form(one_field(SecretStr, SecretStr("")), {"value": "set"})
    assert page.text_input[0].value == ""
    assert "Saved" in page.text_input[0].placeholder
    assert drawn(page) == {"value": ""}


def test_a_secret_is_replaced_by_what_is_typed():
    page = form(one_field(SecretStr, SecretStr("")), {"value": "set"})
    page.text_input[0].set_value("new").run()
    assert drawn(page) == {"value": "new"}


def test_removing_a_secret_is_asked_for_and_can_be_taken_back():
    page = form(one_field(SecretStr, SecretStr("")), {"value": "set"})
    page.button[1].click().run()
    assert drawn(page) == {"value": None}
    page.button[1].click().run()
    assert drawn(page) == {"value": ""}


def test_a_secret_that_is_not_set_has_nothing_to_remove():
    page = form(one_field(SecretStr | None, None), {"value": ""})
    assert [one.label for one in page.button] == ["Forget"]


def test_a_changed_value_can_be_reset_to_its_default():
    page = form(one_field(int, 3, ge=0, le=10), {"value": 8})
    page.button[1].click().run()
    assert drawn(page) == {"value": 3}
    assert [one.label for one in page.button] == ["Forget"]


def test_an_error_stands_beside_its_field():
    page = form(Everything, {"required": 1}, {"inner.depth": "Too deep", "stops.1": "Not that"})
    said = [one.value for one in page.markdown if ":red[" in one.value]
    assert said == [":red[:material/error: Not that]", ":red[:material/error: Too deep]"]
    assert not page.error


def test_an_error_inside_a_variant_stands_there():
    model = one_field(Circle | Square, Circle(), discriminator="kind")
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"value": {"kind": "circle", "radius": 9}})
    path = ".".join(map(str, caught.value.errors()[0]["loc"]))
    page = form(model, {}, {path: "Too big"})
    assert [one.value for one in page.markdown] == [":red[:material/error: Too big]"]


def test_an_error_about_the_whole_stands_above():
    page = form(Inner, {}, {"": "These two do not go together"})
    assert page.error[0].value == "These two do not go together"


@pytest.mark.parametrize(
    ("annotation", "constraints", "default", "saved"),
    [
        (int, {"ge": 0, "le": 10}, 3, 99),
        (int, {"ge": 0, "le": 10**6}, 3, -1),
        (int, {}, 3, "many"),
        (int, {}, 3, 10**20),
        (float, {"ge": 0, "le": 1}, 0.5, True),
        (bool, {}, True, "yes"),
        (Literal["a", "b"], {}, "a", "z"),
        (list[str], {}, ["a"], "a"),
        (dict[str, str], {}, {}, ["a"]),
        (Inner, {}, Inner(), 3),
    ],
)
def test_a_saved_value_that_is_not_valid_is_named_and_the_default_shown(
    annotation, constraints, default, saved
):
    model = one_field(annotation, default, **constraints)
    page = form(model, {"value": saved})
    assert any("cannot be used" in one.value for one in page.markdown)
    assert model.model_validate(drawn(page)) == model()


def test_other_values_from_elsewhere_replace_what_was_typed():
    page = form(one_field(str, "before"))
    page.text_input[0].set_value("typed").run()
    page.session_state["given"] = {"value": "saved elsewhere"}
    page.run()
    assert drawn(page) == {"value": "saved elsewhere"}


def test_what_was_typed_stays_when_an_error_is_shown():
    page = form(one_field(str, "before"))
    page.text_input[0].set_value("typed").run()
    page.session_state["errors"] = {"value": "No"}
    page.run()
    assert drawn(page) == {"value": "typed"}


def test_a_forgotten_form_begins_again():
    page = form(one_field(SecretStr, SecretStr("")))
    page.text_input[0].set_value("hush").run()
    page.button[0].click().run()
    assert drawn(page) == {"value": ""}


def test_help_names_the_default_and_the_field():
    page = form(one_field(int, 3, ge=0, le=10, description="How many"))
    assert page.slider[0].help == "How many\n\nDefault: 3. Called `value` in files and commands."


def test_a_title_given_by_the_author_is_the_label():
    page = form(one_field(int, 3, title="Context length"))
    assert page.number_input[0].label == "Context length"
    assert form(one_field(int, 3)).number_input[0].label == "Value"
