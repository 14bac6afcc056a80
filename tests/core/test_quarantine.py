from typing import ClassVar

import pytest
from pydantic import BaseModel, SecretStr

from jackfield import API_VERSION, Field, Plugin, Reach, hookimpl
from jackfield.manager import PluginManager
from jackfield.settings_store import SettingsStore


@pytest.fixture
def manager(paths) -> PluginManager:
    return PluginManager(paths, SettingsStore(paths), entry_points=[])


class Good(Plugin):
    """Works."""

    @hookimpl
    def jackfield_transform_reply(self, reply):
        return reply


def set_aside(manager: PluginManager, kind: object) -> str:
    """Register a bad plugin beside a good one; the words on its card."""
    record = manager.register("bad", kind)  # type: ignore[arg-type] - that is the point
    assert manager.register("good", Good).state == "enabled"
    assert record.state == "set aside"
    assert record.advice
    return f"{record.error}\n{record.advice}"


def test_what_is_no_plugin_is_set_aside(manager):
    assert "not a class derived from jackfield.Plugin" in set_aside(manager, object)


def test_an_object_in_place_of_a_class_is_set_aside(manager):
    assert "not a class" in set_aside(manager, len)


@pytest.mark.parametrize("requires", ["", ">=1,<2", f"=={API_VERSION}", ">=1.0.dev1"])
def test_a_version_of_the_hooks_that_fits_is_accepted(manager, requires):
    kind = type("Fits", (Good,), {"requires_api": requires})
    assert manager.register("fits", kind).requires_api == requires
    assert manager.record("fits").state == "enabled"


@pytest.mark.parametrize("requires", [">=2", "<1", "==0.9"])
def test_a_version_of_the_hooks_that_does_not_fit_is_refused_with_both(manager, requires):
    words = set_aside(manager, type("Future", (Good,), {"requires_api": requires}))
    assert repr(requires) in words and API_VERSION in words


def test_a_version_that_is_none_is_refused(manager):
    assert "not a version specifier" in set_aside(
        manager, type("Odd", (Good,), {"requires_api": "latest"})
    )


@pytest.mark.parametrize(("attribute", "value"), [("reach", "none"), ("requires_api", 1)])
def test_a_declaration_of_the_wrong_type_is_refused(manager, attribute, value):
    assert attribute in set_aside(manager, type("Odd", (Good,), {attribute: value}))


def test_a_wrong_argument_is_refused_with_both_signatures(manager):
    class Wrong(Plugin):
        @hookimpl
        def jackfield_transform_reply(self, text, turn):
            return text

    words = set_aside(manager, Wrong)
    assert "jackfield_transform_reply(self, text, turn)" in words
    assert "jackfield_transform_reply(self, reply, turn)" in words
    assert "'text'" in words


def test_an_argument_that_can_only_be_given_by_place_is_refused(manager):
    class Wrong(Plugin):
        @hookimpl
        def jackfield_transform_reply(self, reply, /):
            return reply

    assert "'reply' cannot be given by name" in set_aside(manager, Wrong)


def test_arguments_with_defaults_and_open_ones_are_accepted(manager):
    class Fine(Plugin):
        @hookimpl
        def jackfield_transform_reply(self, reply, turn=None, extra=3, *rest, **more):
            return reply

    assert manager.register("fine", Fine).state == "enabled"


def test_a_misspelled_hook_is_refused_with_the_nearest(manager):
    class Wrong(Plugin):
        @hookimpl
        def jackfield_transform_replay(self, reply):
            return reply

    words = set_aside(manager, Wrong)
    assert "'jackfield_transform_replay'" in words
    assert "'jackfield_transform_reply'?" in words


def test_a_misspelled_hook_without_its_mark_is_refused_too(manager):
    class Wrong(Plugin):
        def jackfield_trasform_input(self, text):
            return text

    assert "'jackfield_transform_input'?" in set_aside(manager, Wrong)


def test_a_hook_without_its_mark_is_refused(manager):
    class Wrong(Plugin):
        def jackfield_transform_reply(self, reply):
            return reply

    assert "put @hookimpl above it" in set_aside(manager, Wrong)


def test_a_hook_of_another_name_is_checked_by_the_name_it_says(manager):
    class Wrong(Plugin):
        @hookimpl(specname="jackfield_transform_reply")
        def louder(self, text):
            return text

    class Right(Plugin):
        @hookimpl(specname="jackfield_transform_reply")
        def louder(self, reply):
            return reply

    assert manager.register("right", Right).hooks == ("jackfield_transform_reply",)
    assert "no argument 'text'" in set_aside(manager, Wrong)


def test_a_wrapper_is_refused(manager):
    class Wraps(Plugin):
        @hookimpl(wrapper=True)
        def jackfield_transform_reply(self, reply):
            return (yield)

    assert "wrapper=True" in set_aside(manager, Wraps)


def test_a_hook_that_is_no_turn_hook_cannot_be_async(manager):
    class Async(Plugin):
        @hookimpl
        async def jackfield_loaders(self):
            return []

    assert "only the hooks of a turn" in set_aside(manager, Async)


def test_a_filter_that_is_a_coroutine_is_refused(manager):
    class Async(Plugin):
        @hookimpl
        async def jackfield_filter_stream(self, events):
            return events

    assert "without 'yield'" in set_aside(manager, Async)


def test_an_option_that_has_no_default_keeps_a_plugin_waiting_until_it_is_given(manager):
    class Needs(Good):
        class Config(Plugin.Config):
            town: str = Field(description="A town")

    assert "town: Field required" in set_aside(manager, Needs)
    assert manager.configure("bad", {"town": "Oslo"}).state == "enabled"


def test_a_config_that_is_not_derived_from_plugins_is_refused(manager):
    class Other(BaseModel):
        x: int = 1

    assert "Plugin.Config" in set_aside(manager, type("Odd", (Good,), {"Config": Other}))


def test_a_secret_inside_another_option_is_refused(manager):
    class Account(BaseModel):
        password: SecretStr = SecretStr("")

    for annotation in (list[SecretStr], Account, dict[str, Account], Account | None):
        config = type("Config", (Plugin.Config,), {"__annotations__": {"x": annotation}, "x": None})
        kind = type("Hides", (Good,), {"Config": config})
        assert "each secret an option of its own" in set_aside(manager, kind)
        manager.unregister("bad")
        manager.unregister("good")


def test_a_config_without_a_schema_is_refused(manager):
    class Odd(Good):
        class Config(Plugin.Config):
            model_config: ClassVar = {"arbitrary_types_allowed": True}
            call: object = Field(print, description="Something no form can show")
            thing: type[Plugin] = Field(Plugin, description="A class")

    assert "schema" in set_aside(manager, Odd).lower()


def test_a_plugin_that_cannot_be_made_is_set_aside(manager):
    class Odd(Good):
        def __init__(self):
            pass

    assert "TypeError" in set_aside(manager, Odd)


def test_a_property_is_not_asked_while_hooks_are_looked_for(manager):
    class Lazy(Good):
        @property
        def jackfield_expensive(self):
            raise AssertionError("asked")

    assert manager.register("lazy", Lazy).state == "enabled"


def test_declared_reach_is_on_the_record(manager):
    class Reaches(Good):
        reach = Reach(network="download", hosts=("models.example.org",), files=("~/Music",))

    assert manager.register("reaches", Reaches).reach == Reaches.reach


class Fails(Plugin):
    """Fails while it is told to."""

    failing = True
    asked = 0

    @hookimpl
    def jackfield_started(self):
        return None

    @hookimpl
    def jackfield_model_unloaded(self, model):
        type(self).asked += 1
        if self.failing:
            raise ValueError(f"no {model}")

    @hookimpl
    def jackfield_stopped(self):
        type(self).asked += 100


def test_after_five_failures_in_a_row_a_plugin_is_set_aside_and_stopped(manager):
    kind = type("Failing", (Fails,), {})
    manager.life("started", app=object())
    manager.register("fails", kind)
    for _ in range(4):
        manager.life("model_unloaded", model="m")
    record = manager.record("fails")
    assert (record.state, record.failures) == ("enabled", 4)
    assert record.error == "model_unloaded: ValueError: no m"
    manager.life("model_unloaded", model="m")
    record = manager.record("fails")
    assert record.state == "set aside"
    assert "5 times in a row" in record.error and "ValueError: no m" in record.error
    assert kind.asked == 105
    manager.life("model_unloaded", model="m")
    assert kind.asked == 105
    assert manager.enable("fails").state == "enabled"
    assert manager.record("fails").failures == 0


def test_a_success_ends_the_row(manager):
    kind = type("Wavering", (Fails,), {})
    manager.register("fails", kind)
    for _ in range(3):
        for failing in (True, True, True, True, False):
            kind.failing = failing
            manager.life("model_unloaded", model="m")
    assert manager.record("fails").state == "enabled"
    assert manager.record("fails").failures == 0


def test_a_hook_that_always_fails_is_not_hidden_by_another_that_works(manager):
    kind = type("Half", (Fails,), {})
    manager.register("fails", kind)
    for _ in range(5):
        manager.life("model_unloaded", model="m")
        manager.life("started", app=None)
    assert manager.record("fails").state == "set aside"


def test_failures_can_be_cleared(manager):
    manager.register("fails", type("Failing", (Fails,), {}))
    manager.life("model_unloaded", model="m")
    assert manager.clear_failures("fails").failures == 0
    assert manager.record("fails").error == ""
    for _ in range(5):
        manager.life("model_unloaded", model="m")
    assert manager.record("fails").state == "set aside"
    assert manager.clear_failures("fails").state == "enabled"
