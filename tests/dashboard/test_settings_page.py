"""What the Settings page shows and does, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from gguf_files import small_gguf
from jackfield.application import Application
from jackfield.dashboard.chat.tab import new_draft
from jackfield.testing import FakePlugin, fake_model
from jackfield_loaders.gguf import Gguf
from page_test import open_page, press, run, running_app, words


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with running_app(tmp_path, fake=FakePlugin) as app:
        yield app


def page() -> AppTest:
    return open_page("settings")


def key(section: str, field: str, version: int = 0) -> str:
    return f"settings:{section}:{version}:{field}"


def test_saving_an_untouched_page_writes_nothing(app: Application) -> None:
    press(page(), "Save")
    assert not app.paths.settings.exists()


def test_each_section_is_saved(app: Application, tmp_path: Path) -> None:
    test = page()
    test.toggle(key=key("general", "offline")).set_value(True)
    test.number_input(key=key("engine", "idle_minutes")).set_value(15)
    test.text_area(key=key("chat", "agent_description")).set_value("You are a pirate.")
    test.text_area(key=key("folders", "model_folders")).set_value(f"{tmp_path}\n")
    press(test, "Save")
    value = app.settings.value
    assert value.offline is True
    assert value.engine.idle_minutes == 15
    assert value.chat.agent_description == "You are a pirate."
    assert value.model_folders == [str(tmp_path)]
    assert not test.info


def test_what_needs_a_restart_says_so_until_it_is_as_before(app: Application) -> None:
    test = page()
    test.number_input(key=key("server", "port")).set_value(8080)
    press(test, "Save")
    assert app.settings.value.server.port == 8080
    assert "Port" in test.info[0].value
    test.number_input(key=key("server", "port", 1)).set_value(7860)
    press(test, "Save")
    assert not test.info


def test_a_value_can_be_reset_to_its_default(app: Application) -> None:
    app.settings.set("server.port", 9000)
    test = press(press(page(), "Reset"), "Save")
    assert app.settings.value.server.port == 7860
    assert "port" not in app.paths.settings.read_text()  # so that a later default counts
    assert "Reset" not in [one.label for one in test.button]


def test_returning_to_defaults_leaves_models_and_plugins_alone(app: Application) -> None:
    app.settings.set("server.port", 9000)
    app.settings.set("chat.sampling", {"temperature": 0.2})
    app.settings.set(("models", "parrot", "alias"), "polly")
    press(page(), "Return to defaults")
    value = app.settings.value
    assert value.server.port == 7860
    assert value.models["parrot"].alias == "polly"
    assert value.chat.sampling == {"temperature": 0.2}


def test_what_was_changed_elsewhere_is_shown_and_not_undone(app: Application) -> None:
    test = page()
    app.settings.set("server.port", 9000)
    run(test)
    test.toggle(key=key("general", "offline")).set_value(True)
    press(test, "Save")
    assert app.settings.value.server.port == 9000


def test_models_and_presets_are_choices(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    app.settings.set("chat.preset", "gone-preset")
    test = page()
    test.get_by_key(key("chat", "model")).set_value("parrot")
    press(test, "Save")
    assert app.settings.value.chat.model == "parrot"
    assert app.settings.value.chat.preset == "gone-preset"


def test_a_broken_settings_file_is_said_and_left_alone(app: Application) -> None:
    test = page()
    app.paths.settings.write_text("[server\nport = 1")
    run(test)
    assert "settings.toml" in test.error[0].value.replace("\\", "")
    test.toggle(key=key("general", "offline")).set_value(True)
    press(test, "Save")
    assert app.paths.settings.read_text() == "[server\nport = 1"


def test_the_example_call_names_a_model_that_is_here(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    test = page()
    assert test.code[0].value == "http://127.0.0.1:7860/v1"
    assert '"model": "parrot"' in test.code[1].value
    test.get("segmented_control")[-1].set_value("Python")
    run(test)
    assert 'base_url="http://127.0.0.1:7860/v1"' in test.code[1].value
    compile(test.code[1].value, "example", "exec")


def test_a_model_that_does_not_write_is_offered_nowhere_as_one(app: Application) -> None:
    app.plugins.register("gguf", Gguf)
    small_gguf(app.paths.models / "embedder.gguf", architecture="bert", **{"bert.pooling_type": 1})
    fake_model(app.paths.models, "parrot")
    assert [one.name for one in app.catalog.scan() if not one.writes] == ["embedder"]
    assert new_draft(app).model == "parrot"
    test = page()
    assert '"model": "parrot"' in test.code[1].value
    chooser = test.get_by_key(key("chat", "model"))
    assert "parrot" in chooser.options
    assert "embedder" not in chooser.options


def test_where_a_key_is_needed_the_example_has_one(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[server]\nhost = "0.0.0.0"\n')
    with running_app(tmp_path):
        test = open_page("settings")
        assert "Authorization: Bearer KEY" in test.code[1].value


def test_the_page_says_where_things_are(app: Application) -> None:
    said = words(page())
    for path in (app.paths.models, app.paths.settings, app.paths.database, app.paths.logs):
        assert str(path) in said
