"""What the forms read from a model's schema."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from jackfield.dashboard.forms import FormField, read_fields
from jackfield.plugin import LongText


class Color(Enum):
    RED = "red"
    GREEN = "green"


class Circle(BaseModel):
    kind: Literal["circle"] = "circle"


class Square(BaseModel):
    kind: Literal["square"] = "square"


class Tree(BaseModel):
    name: str = "root"
    children: list[Tree] = []


def only_field(annotation: Any, default: Any = ..., **constraints: Any) -> FormField:
    from pydantic import create_model

    model = create_model("One", value=(annotation, Field(default, **constraints)))
    return read_fields(model.model_json_schema())[0]


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (str, "text"),
        (LongText, "long text"),
        (SecretStr, "secret"),
        (SecretStr | None, "secret"),
        (int, "integer"),
        (float | None, "number"),
        (bool, "switch"),
        (Color, "choice"),
        (Literal["a"], "choice"),
        (list[Literal["a", "b"]], "choices"),
        (list[str] | None, "lines"),
        (dict[str, float], "table"),
        (dict[str, Any], "json"),
        (int | str, "json"),
        (list[Circle], "json"),
        (Path, "text"),
        (Circle, "group"),
        (Circle | None, "group"),
        (Annotated[Circle | Square, Field(discriminator="kind")], "variants"),
    ],
)
def test_each_type_has_its_kind_of_field(annotation, kind):
    assert only_field(annotation).kind == kind


@pytest.mark.parametrize("annotation", [int, SecretStr, Circle, list[str], Color])
def test_a_field_may_be_none_only_where_its_type_says_so(annotation):
    assert not only_field(annotation).nullable
    assert only_field(annotation | None).nullable


def test_excluded_bounds_of_whole_numbers_become_included_ones():
    field = only_field(int, 3, gt=0, lt=10)
    assert (field.minimum, field.maximum) == (1, 9)


def test_a_model_inside_itself_ends():
    children = read_fields(Tree.model_json_schema())[1]
    assert children.kind == "json"


def test_a_label_is_the_authors_title_or_the_name_in_words():
    class Names(BaseModel):
        memory_budget_gb: int = 1
        n_ctx: int = Field(1, title="Context length")

    fields = read_fields(Names.model_json_schema())
    assert [field.label for field in fields] == ["Memory budget GB", "Context length"]


def test_choices_may_have_names():
    schema = {"properties": {"x": {"enum": ["", "a"], "names": {"": "None"}, "default": ""}}}
    assert read_fields(schema)[0].names == {"": "None"}
