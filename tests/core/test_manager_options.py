import threading
from pathlib import Path

import pytest
from pydantic import field_validator

from jackfield import Field, Plugin, hookimpl
from jackfield.errors import InvalidRequest, PluginError
from jackfield.manager import PluginManager
from jackfield.settings_store import SettingsStore


class Listens(Plugin):
    """Writes down what it is told."""

    class Config(Plugin.Config):
        loud: bool = Field(False, description="Whether to be loud")

    def __init__(self, config, context):
        super().__init__(config, context)
        self.heard = []

    @hookimpl
    def jackfield_started(self, app):
        self.heard.append(f"started {app}")

    @hookimpl
    def jackfield_stopped(self):
        self.heard.append("stopped")

    @hookimpl
    def jackfield_config_changed(self, before):
        self.heard.append(f"was {before['loud']} is {self.config.loud}")

    @hookimpl
    def jackfield_model_loaded(self, model):
        self.heard.append(f"loaded {model}")


@pytest.fixture
def manager(paths) -> PluginManager:
    return PluginManager(paths, SettingsStore(paths), entry_points=[])


def write(folder: Path, name: str, body: str = "", config: str = "") -> None:
    """A loose plugin that ends replies with its name."""
    (folder / f"{name}.py").write_text(
        f'''
from jackfield import Field, Plugin, Reach, hookimpl
class Loose(Plugin):
    """Says {name}."""
    class Config(Plugin.Config):
        times: int = Field(1, ge=1, le=3, description="How often")
{config}
{body}
    @hookimpl
    def jackfield_transform_reply(self, reply):
        return reply + "{name}" * self.config.times
'''
    )


def test_options_are_checked_saved_and_in_force_at_once(paths, manager):
    write(paths.plugins, "loose")
    manager.discover()
    assert manager.configure("loose", {"times": 2}).config == {"times": 2}
    assert manager.plugin("loose").config.times == 2
    with pytest.raises(InvalidRequest) as caught:
        manager.configure("loose", {"times": 9})
    assert list(caught.value.details["errors"]) == ["times"]
    with pytest.raises(InvalidRequest) as caught:
        manager.configure("loose", {"tmies": 1})
    assert list(caught.value.details["errors"]) == ["tmies"]
    assert manager.plugin("loose").config.times == 2
    assert SettingsStore(paths).value.plugins["loose"].config == {"times": 2}
    assert manager.reset("loose").config == {"times": 1}


def test_options_that_an_earlier_version_had_are_an_error_that_can_be_corrected(paths, manager):
    SettingsStore(paths).set(("plugins", "loose", "config"), {"times": 9, "gone": True})
    write(paths.plugins, "loose")
    manager.discover()
    record = manager.record("loose")
    assert record.state == "set aside"
    assert "times: " in record.error and "gone: " in record.error
    assert "jackfield plugins configure loose --reset" in record.advice
    assert record.config == {"times": 9, "gone": True}
    assert manager.configure("loose", {"times": 3}).state == "enabled"
    assert manager.plugin("loose").config.times == 3


def test_a_reset_brings_back_a_plugin_that_was_set_aside_for_its_options(paths, manager):
    SettingsStore(paths).set(("plugins", "loose", "config"), {"times": 9})
    write(paths.plugins, "loose")
    manager.discover()
    assert manager.reset("loose").state == "enabled"


def test_secrets_are_masked_kept_when_blank_and_removed_by_none(paths, manager):
    write(paths.plugins, "loose", config="        key: SecretStr = Field('', description='x')")
    file = paths.plugins / "loose.py"
    file.write_text("from pydantic import SecretStr\n" + file.read_text())
    manager.discover()
    assert manager.record("loose").config["key"] == ""
    record = manager.configure("loose", {"key": "sesame-1"})
    assert record.config["key"] == "set"
    assert "sesame-1" not in repr(record) + paths.settings.read_text()
    assert manager.configure("loose", {"key": "", "times": 2}).config["key"] == "set"
    again = PluginManager(paths, SettingsStore(paths), entry_points=[])
    again.discover()
    assert again.plugin("loose").config.key.get_secret_value() == "sesame-1"
    assert again.configure("loose", {"key": None}).config["key"] == ""


def test_an_option_whose_check_breaks_is_the_plugins_error(manager):
    class Fragile(Plugin):
        class Config(Plugin.Config):
            word: str = Field("", description="A word")

            @field_validator("word")
            @classmethod
            def _check(cls, value):
                return {"": ""}[value]

    manager.register("fragile", Fragile)
    with pytest.raises(PluginError, match="failed to check its options: KeyError"):
        manager.configure("fragile", {"word": "x"})
    assert manager.plugin("fragile").config.word == ""


def test_life_hooks_are_told_once_and_in_time(manager):
    manager.register("listens", Listens)
    heard = manager.plugin("listens").heard
    manager.configure("listens", {"loud": True})
    assert heard == []  # the application does not run yet
    manager.life("started", app="app")
    manager.life("model_loaded", model="m", info=None)
    manager.configure("listens", {"loud": False})
    manager.configure("listens", {"loud": False})
    manager.disable("listens")
    assert heard == ["started app", "loaded m", "was True is False", "stopped"]
    manager.enable("listens")
    assert manager.plugin("listens").heard == ["started app"]
    second = manager.plugin("listens").heard
    manager.life("stopped")
    manager.life("model_loaded", model="m", info=None)
    assert second[:2] == ["started app", "stopped"]


def test_a_hook_may_ask_the_manager_while_it_is_being_told(manager):
    class Asks(Plugin):
        @hookimpl
        def jackfield_started(self, app):
            done = threading.Thread(target=lambda: app.append(manager.records()))
            done.start()
            done.join(10)

    app = []
    manager.life("started", app=app)
    manager.register("asks", Asks)
    assert [one.name for one in app[0]] == ["asks"]
