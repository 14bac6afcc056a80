"""What is saved for a model on the Models page, and its adapters, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

from jackfield.application import Application
from jackfield.testing import FakePlugin, fake_adapter, fake_model
from keyed_loader import Keyed
from page_test import labels, open_page, press, run, running_app, until, words


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with running_app(tmp_path, fake=FakePlugin, keyed=Keyed) as app:
        yield app


def page(opened: str = "") -> AppTest:
    return open_page("models", **({"models__open": opened} if opened else {}))


def field(test: AppTest, label: str) -> TextInput:
    return next(one for one in test.text_input if one.label == label)


def state(app: Application, model: str) -> str:
    resident = app.engine.resident(model)
    return resident.state if resident else "gone"


def test_the_name_and_template_of_a_model_are_kept(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    test = page(opened="parrot")
    field(test, "Another name").set_value("polly")
    press(test, "Save")
    assert app.settings.value.models["parrot"].alias == "polly"
    assert app.catalog.find("polly").name == "parrot"
    assert "another name: polly" in words(test).replace("\\", "")


def test_an_alias_that_names_another_model_is_refused_beside_its_field(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    fake_model(app.paths.models, "owl")
    test = page(opened="parrot")
    field(test, "Another name").set_value("owl")
    press(test, "Save")
    assert "already names the model" in words(test)
    assert app.settings.value.models == {}


def test_what_is_saved_can_be_forgotten_and_that_undone(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    app.model_settings.change(
        "parrot", {"loader": "keyed", "alias": "polly", "sampling": {"top_p": 0.5}}
    )
    before = app.settings.value.models
    test = page(opened="parrot")
    assert test.selectbox[0].value == "keyed"
    press(test, "Forget settings")
    assert app.settings.value.models == {}
    assert "Forget settings" not in labels(test)
    assert "Nothing is saved" in words(test)
    assert test.selectbox[0].value == ""  # automatic
    press(test, "Undo")
    assert app.settings.value.models == before
    assert (test.selectbox[0].value, field(test, "Another name").value) == ("keyed", "polly")
    assert "Undo" not in labels(test)


def test_a_save_can_be_undone_until_somebody_else_changes_it(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    test = page(opened="parrot")
    test.slider[0].set_value(0.3)
    run(test)
    press(test, "Undo")
    assert app.settings.value.models == {}
    assert test.slider[0].value == 0.8
    test.slider[0].set_value(0.4)
    run(test)
    app.model_settings.change("parrot", {"alias": "polly"})
    assert "Undo" not in labels(run(test))


def test_adapters_are_attached_weakened_saved_and_detached(app: Application) -> None:
    fake_model(app.paths.models, "parrot", lora=True)
    path = str(fake_adapter(app.paths.adapters, "pirate", says="Arr! "))
    test = page()
    assert "**pirate** · made for fake" in words(test)
    press(test, "Load")
    until(test, lambda: state(app, "parrot") == "ready")

    def attached() -> list[float]:
        resident = app.engine.resident("parrot")
        return [one.scale for one in resident.adapters] if resident else []

    run(test).selectbox[0].select(path)
    run(test)
    press(test, "Attach")
    until(test, lambda: attached() == [1.0])
    until(test, lambda: "Detach" in labels(test))
    test.slider[0].set_value(0.5)
    until(test, lambda: attached() == [0.5])
    press(run(test), "Attach these at each load")
    assert app.model_settings.get("parrot").adapters[0].scale == 0.5
    press(test, "Detach")
    until(test, lambda: attached() == [])


def test_a_model_that_takes_no_adapters_offers_none(app: Application) -> None:
    fake_model(app.paths.models, "owl")
    fake_adapter(app.paths.adapters, "pirate", says="Arr! ")
    test = page()
    press(test, "Load")
    until(test, lambda: state(app, "owl") == "ready")
    assert not run(test).selectbox


def test_the_sampling_of_a_model_is_kept_as_it_is_changed(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    test = page(opened="parrot")
    test.slider[0].set_value(0.3)
    run(test)
    assert app.settings.value.models["parrot"].sampling == {"temperature": 0.3}
    app.settings.set(("models", "parrot", "sampling"), {"temperature": 1.2})
    run(test)
    assert test.slider[0].value == 1.2
    press(test, "Back to the defaults")
    assert "parrot" not in app.settings.value.models
    assert test.slider[0].value == 0.8


def test_the_loader_is_chosen_and_the_automatic_one_gives_its_reason(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    test = page(opened="parrot")
    automatic, *others = test.selectbox[0].options
    assert automatic == "Automatic (fake: a fake model)"
    assert others == ["fake: a fake model", "keyed: a fake model, with a key"]
    test.selectbox[0].select("keyed")
    press(run(test), "Save as this model's defaults")
    assert app.model_settings.get("parrot").loader == "keyed"
    assert "loader: keyed" in words(test).replace("\\", "")
    press(test, "Load")
    until(test, lambda: state(app, "parrot") == "ready")
    resident = app.engine.resident("parrot")
    assert resident is not None and resident.loader == "keyed"


def test_a_template_is_chosen_of_those_there_are(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    test = page(opened="parrot")
    chooser = next(one for one in test.get("segmented_control") if one.label == "Chat template")
    chooser.set_value("arrows")
    press(test, "Save")
    assert app.model_settings.get("parrot").template == "arrows"
