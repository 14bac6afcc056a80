"""What the Plugins page shows and does, without a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from jackfield import ChatTemplate, Field, Plugin, hookimpl
from jackfield.application import Application
from jackfield.dashboard.plugins.words import does, offered, touches
from jackfield.plugin import Reach
from page_test import labels, open_page, press, run, running_app, until, words

SHOUT = '''
from pydantic import SecretStr
from jackfield import Field, Plugin, hookimpl

class Shout(Plugin):
    """Answers in capitals."""

    class Config(Plugin.Config):
        marks: int = Field(1, ge=0, le=5, description="Exclamation marks to add")
        key: SecretStr = Field(SecretStr(""), description="A key")
        before: str = Field("", pattern="^[a-z ]*$", description="Words before the reply")

    @hookimpl
    def jackfield_transform_reply(self, reply):
        return reply.upper() + "!" * self.config.marks
'''
QUIET = '''
from jackfield import Plugin, hookimpl

class Quiet(Plugin):
    """Answers in small letters."""

    @hookimpl
    def jackfield_transform_reply(self, reply):
        return reply.lower()
'''


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with running_app(tmp_path) as app:
        yield app


def add(app: Application, name: str, source: str) -> None:
    (app.paths.plugins / f"{name}.py").write_text(source)
    app.plugins.discover()


def page(tab: str = "", opened: str = "") -> AppTest:
    wished = {"plugins__tabs": tab, "plugins__open": opened}
    return open_page("plugins", **{name: value for name, value in wished.items() if value})


def names(test: AppTest) -> list[str]:
    return [one.value for one in test.subheader]


def test_without_plugins_it_says_what_to_do(app: Application) -> None:
    assert "Install one" in page().info[0].value


def test_a_card_says_what_a_plugin_is_does_and_touches(app: Application) -> None:
    add(app, "shout", SHOUT)
    said = words(page())
    assert "Answers in capitals." in said
    assert "Changes the finished reply." in said
    assert "Does not use the network" in said
    assert "shout.py" in said
    assert "`transform_reply`" in said


def test_a_plugin_is_switched_off_and_on(app: Application) -> None:
    add(app, "shout", SHOUT)
    test = page()
    test.toggle[0].set_value(False)
    run(test)
    assert app.plugins.record("shout").state == "disabled"
    assert test.toggle[0].label == "Off"
    test.toggle[0].set_value(True)
    run(test)
    assert app.plugins.record("shout").state == "enabled"


def test_what_was_switched_elsewhere_is_shown_as_it_is(app: Application) -> None:
    add(app, "shout", SHOUT)
    test = page()
    app.plugins.disable("shout")
    run(test)
    assert test.toggle[0].value is False


def test_options_are_saved_with_effect_at_once(app: Application) -> None:
    add(app, "shout", SHOUT)
    test = press(page(), "Options")
    test.slider[0].set_value(4)
    press(test, "Save")
    assert app.plugins.plugin("shout").config.marks == 4
    assert app.settings.value.plugins["shout"].config == {"marks": 4}
    assert test.slider[0].value == 4


def test_options_that_are_not_valid_are_refused_beside_their_field(app: Application) -> None:
    add(app, "shout", SHOUT)
    test = page(opened="shout")
    test.slider[0].set_value(3)
    test.text_input(key="plugins:shout:0:before").set_value("HEY")
    press(test, "Save")
    assert "should match pattern" in words(test)
    assert test.text_input(key="plugins:shout:0:before").value == "HEY"
    assert app.plugins.plugin("shout").config.marks == 1
    test.text_input(key="plugins:shout:0:before").set_value("hey")
    press(test, "Save")
    assert "should match pattern" not in words(test)
    assert app.plugins.plugin("shout").config.marks == 3


def test_a_secret_is_kept_apart_and_never_in_the_page(app: Application) -> None:
    add(app, "shout", SHOUT)
    test = page(opened="shout")
    test.text_input(key="plugins:shout:0:key").set_value("hush-hush")
    press(test, "Save")
    assert app.plugins.plugin("shout").config.key == SecretStr("hush-hush")
    assert "hush-hush" in app.paths.secrets.read_text()
    assert "hush-hush" not in app.settings.value.model_dump_json()
    assert "hush-hush" not in str(test.main.children)
    assert "hush-hush" not in str(test.session_state.to_dict())
    press(test, "Save")
    assert app.plugins.plugin("shout").config.key == SecretStr("hush-hush")
    press(test, "Remove")
    press(test, "Save")
    assert app.plugins.plugin("shout").config.key == SecretStr("")


def test_options_return_to_the_authors(app: Application) -> None:
    add(app, "shout", SHOUT)
    app.plugins.configure("shout", {"marks": 5})
    test = press(page(opened="shout"), "Return to defaults")
    assert app.plugins.plugin("shout").config.marks == 1
    assert test.slider[0].value == 1


def test_a_plugin_set_aside_comes_first_with_its_error_and_what_to_do(app: Application) -> None:
    add(app, "aaa", QUIET)
    add(app, "broken", "import nothing_of_that_name")
    test = page()
    assert names(test) == ["broken", "aaa"]
    assert "nothing\\_of\\_that\\_name" in test.error[0].value
    assert {"Try again", "Disable", "Uninstall broken"} <= set(labels(test))


def test_a_repaired_plugin_is_tried_again(app: Application) -> None:
    add(app, "shout", "import nothing_of_that_name")
    test = page()
    (app.paths.plugins / "shout.py").write_text(SHOUT)
    press(test, "Try again")
    assert app.plugins.record("shout").state == "enabled"
    assert not test.error


def test_a_plugin_set_aside_is_disabled(app: Application) -> None:
    add(app, "broken", "import nothing_of_that_name")
    test = press(page(), "Disable")
    assert app.plugins.record("broken").state == "disabled"
    assert not test.error


def test_saved_options_that_do_not_validate_are_corrected_in_the_form(app: Application) -> None:
    app.settings.set(("plugins", "shout", "config"), {"marks": 99})
    add(app, "shout", SHOUT)
    test = page(opened="shout")
    assert app.plugins.record("shout").state == "set aside"
    assert "cannot be used" in words(test)
    press(test, "Save")
    assert app.plugins.record("shout").state == "enabled"


def test_saved_options_that_do_not_validate_are_reset(app: Application) -> None:
    app.settings.set(("plugins", "shout", "config"), {"marks": 99})
    add(app, "shout", SHOUT)
    press(page(), "Reset its options")
    assert app.plugins.record("shout").state == "enabled"


def test_plugins_are_found_by_words_and_by_state(app: Application) -> None:
    add(app, "shout", SHOUT)
    add(app, "quiet", QUIET)
    app.plugins.disable("quiet")
    test = page()
    test.text_input(key="plugins:search").set_value("CAPITALS")
    run(test)
    assert names(test) == ["shout"]
    test.text_input(key="plugins:search").set_value("")
    test.get("segmented_control")[0].set_value("Off")
    run(test)
    assert names(test) == ["quiet"]
    test.get("segmented_control")[0].set_value("Set aside")
    run(test)
    assert "No plugin is like that" in words(test)


def test_the_order_is_changed(app: Application) -> None:
    add(app, "shout", SHOUT)
    add(app, "quiet", QUIET)
    test = page()
    assert names(test) == ["quiet", "shout"]
    test.button(key="plugins:shout:up").click()
    run(test)
    assert names(test) == ["shout", "quiet"]
    assert [one.name for one in app.plugins.records()] == ["shout", "quiet"]
    assert test.button(key="plugins:shout:up").disabled


class Template(Plugin):
    """Brings a template."""

    @hookimpl
    def jackfield_chat_templates(self) -> list[ChatTemplate]:
        return [ChatTemplate(name="fancy", title="Fancy", source="x")]


class Other(Template):
    """Brings the same template."""


def test_a_conflict_is_asked_and_the_answer_can_be_changed(app: Application) -> None:
    app.plugins.register("one", Template)
    app.plugins.register("two", Other)
    test = page()
    assert "Which should be used?" in test.warning[0].value
    assert "fancy" in test.warning[0].value
    assert "fancy" not in app.plugins.chat_templates()
    press(test, "Use two")
    assert not test.warning
    assert app.settings.value.choices["template:fancy"] == "two"
    press(test, "Use one")
    assert app.settings.value.choices["template:fancy"] == "one"


class Fragile(Plugin):
    """Fails in a hook when told to."""

    class Config(Plugin.Config):
        fail: bool = Field(False, description="Whether to fail")

    @hookimpl
    def jackfield_config_changed(self, before: Mapping[str, object]) -> None:
        raise RuntimeError("it is fragile")


def test_a_failed_hook_is_shown_and_dismissed(app: Application) -> None:
    app.plugins.register("fragile", Fragile)
    test = page(opened="fragile")
    test.toggle(key="plugins:fragile:0:fail").set_value(True)
    press(test, "Save")
    assert "it is fragile" in test.warning[0].value
    press(test, "Dismiss")
    assert not test.warning


def test_uninstalling_a_file_asks_and_puts_it_aside(app: Application) -> None:
    add(app, "shout", SHOUT)
    test = page()
    assert "Remove the file" in words(test)
    press(test, "Uninstall shout")
    until(test, lambda: bool(test.success or test.error))
    assert names(test) == []
    assert not (app.paths.plugins / "shout.py").exists()
    assert test.success


def test_something_that_cannot_be_installed_says_why(app: Application) -> None:
    test = page("Install")
    test.text_input(key="plugins:spec").set_value("/no/such/folder")
    press(test, "Check")
    until(test, lambda: bool(test.success or test.error))
    assert "/no/such/folder" in test.error[0].value.replace("\\", "")


def test_what_would_be_installed_is_shown_before_it_is(app: Application, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "jackfield_none.py").write_text("")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "jackfield-none"\nversion = "0.3"\n'
        '[tool.hatch.build]\ninclude = ["jackfield_none.py"]\n'
    )
    test = page("Install")
    test.text_input(key="plugins:spec").set_value(str(folder))
    press(test, "Check")
    until(test, lambda: "Install" in labels(test) or bool(test.error))
    assert "New: jackfield-none 0.3" in words(test)
    press(test, "Cancel")
    assert "Install" not in labels(test)


def test_a_new_file_is_looked_for(app: Application) -> None:
    test = page("Write your own")
    (app.paths.plugins / "shout.py").write_text(SHOUT)
    press(test, "Look for new plugins")
    assert app.plugins.record("shout").state == "enabled"


def test_the_example_on_the_page_is_a_working_plugin(app: Application) -> None:
    test = page("Write your own")
    add(app, "example", test.code[0].value)
    plugin = app.plugins.plugin("example")
    assert plugin.jackfield_transform_reply("hello", None) == "HELLO!"  # type: ignore[attr-defined]


def test_what_a_plugin_touches_is_said_in_plain_words() -> None:
    assert touches(Reach()) == "Does not use the network, nor files outside its own folder."
    assert touches(Reach(network="runtime", hosts=("a.org", "b.org"))) == (
        "Uses the network while it runs (a.org and b.org)."
    )
    assert touches(Reach(network="download")) == (
        "Uses the network only to fetch something when you ask for it."
    )
    assert touches(Reach(files=("/x",))) == "Does not use the network. Reads or writes `/x`."


def test_what_a_plugin_does_is_said_in_plain_words() -> None:
    hooks = ("jackfield_loaders", "jackfield_started", "jackfield_pages")
    assert does(hooks) == "Opens models and adds a page"
    assert does(("jackfield_started",)) == ""
    assert offered("loader:gguf") == "the loader **gguf**"
