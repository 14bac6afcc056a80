import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from jackfield import Field, Plugin, Reach, hookimpl
from jackfield.errors import InvalidRequest, PluginConflict, PluginError, PluginNotFound
from jackfield.manager import PluginManager
from jackfield.settings_store import SettingsStore


class Shout(Plugin):
    """Answers in capitals.

    And more that is not shown.
    """

    class Config(Plugin.Config):
        marks: int = Field(1, ge=0, le=5, description="Exclamation marks to add")
        key: SecretStr | None = Field(None, description="A secret")

    @hookimpl
    def jackfield_transform_reply(self, reply):
        return reply.upper() + "!" * self.config.marks


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


def states(manager: PluginManager) -> dict[str, str]:
    return {one.name: one.state for one in manager.records()}


def replies(manager: PluginManager, **named: list[str]) -> list[str]:
    """Names of the plugins that would change a reply, in order."""
    plugins = manager.for_turn(**named)
    return [one.plugin for one in plugins._implementations.get("transform_reply", ())]


def test_a_registered_plugin_is_enabled_and_recorded(manager):
    record = manager.register("shout", Shout, config={"marks": 2})
    assert (record.state, record.origin, record.description) == (
        "enabled",
        "registered",
        "Answers in capitals.",
    )
    assert record.hooks == ("jackfield_transform_reply",)
    assert record.config == {"marks": 2, "key": ""}
    assert record.config_schema["properties"]["marks"]["maximum"] == 5
    assert manager.plugin("shout").config.marks == 2
    assert replies(manager) == ["shout"]
    manager.unregister("shout")
    assert manager.records() == []
    assert replies(manager) == []


def test_a_plugin_without_a_docstring_has_no_description(manager):
    class Silent(Plugin):
        pass

    assert manager.register("silent", Silent).description == ""


def test_a_name_is_registered_once(manager):
    manager.register("shout", Shout)
    with pytest.raises(PluginConflict):
        manager.register("shout", Shout)


def test_an_unknown_name_is_answered_with_the_nearest(manager):
    manager.register("shout", Shout)
    for ask in (manager.record, manager.plugin, manager.enable, manager.disable):
        with pytest.raises(PluginNotFound) as caught:
            ask("shuot")
        assert caught.value.details == {"name": "shuot", "nearest": "shout"}
    for named in ({"on": ["shuot"]}, {"off": ["shuot"]}):
        with pytest.raises(PluginNotFound):
            manager.for_turn(**named)
    with pytest.raises(PluginNotFound):
        manager.set_order(["shuot"])


def test_loose_files_are_plugins_and_those_with_an_underscore_are_not(paths, manager):
    write(paths.plugins, "two_words")
    write(paths.plugins, "_draft")
    manager.discover()
    record = manager.record("two-words")
    assert (record.origin, record.state, record.description) == (
        "file",
        "enabled",
        "Says two_words.",
    )
    assert record.path == str(paths.plugins / "two_words.py")
    assert record.load_ms > 0
    assert states(manager) == {"two-words": "enabled"}
    assert not (paths.plugins / "__pycache__").exists()


def test_a_file_that_appears_changes_and_goes_is_followed_without_a_restart(paths, manager):
    manager.discover()
    write(paths.plugins, "late")
    manager.discover()
    assert replies(manager) == ["late"]
    write(paths.plugins, "late", body="    'a longer one'")
    first = manager.plugin("late")
    manager.discover()
    assert manager.plugin("late") is not first
    (paths.plugins / "late.py").unlink()
    manager.discover()
    assert manager.records() == []


def test_a_loose_file_defines_one_plugin(paths, manager):
    (paths.plugins / "none.py").write_text("x = 1\n")
    (paths.plugins / "two.py").write_text(
        "from jackfield import Plugin\nclass A(Plugin): pass\nclass B(Plugin): pass\n"
    )
    (paths.plugins / "derived.py").write_text(
        "from jackfield import Plugin\nclass A(Plugin): pass\nclass B(A): pass\n"
    )
    manager.discover()
    assert states(manager) == {"none": "set aside", "two": "set aside", "derived": "enabled"}
    assert "defines 2: A, B" in manager.record("two").error


@pytest.mark.parametrize(
    "first_line", ["raise SystemExit(3)", "raise BaseException('x')", "1/0", "import", "x = ("]
)
def test_whatever_an_import_raises_only_that_plugin_is_set_aside(paths, manager, first_line):
    (paths.plugins / "bad.py").write_text(first_line)
    write(paths.plugins, "good")
    manager.discover()
    assert states(manager) == {"bad": "set aside", "good": "enabled"}
    record = manager.record("bad")
    assert record.error
    assert "jackfield plugins uninstall bad" in record.advice
    manager.disable("bad")
    assert states(manager)["bad"] == "disabled"


def test_a_keyboard_interrupt_in_an_import_is_not_swallowed_or_held_against_it(paths, manager):
    (paths.plugins / "slow.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        manager.discover()
    write(paths.plugins, "slow")
    again = PluginManager(paths, SettingsStore(paths), entry_points=[])
    again.discover()
    assert states(again) == {"slow": "enabled"}


def test_what_an_import_prints_does_not_reach_standard_output(paths, manager, capsys):
    (paths.plugins / "chatty.py").write_text("print('hello')\nfrom jackfield import Plugin\n")
    manager.discover()
    assert capsys.readouterr().out == ""


def test_a_disabled_plugin_stays_so_and_is_not_imported(paths, manager):
    write(paths.plugins, "shy")
    manager.discover()
    manager.disable("shy")
    write(paths.plugins, "shy", body="    import a_module_that_nobody_has")
    again = PluginManager(paths, SettingsStore(paths), entry_points=[])
    again.discover()
    assert states(again) == {"shy": "disabled"}
    assert again.record("shy").load_ms == 0
    assert again.enable("shy").state == "set aside"


def test_a_disabled_plugin_shows_what_was_last_seen_of_it(paths, manager):
    write(paths.plugins, "shy", config="        key: SecretStr = Field('', description='x')")
    text = (paths.plugins / "shy.py").read_text()
    (paths.plugins / "shy.py").write_text("from pydantic import SecretStr\n" + text)
    manager.discover()
    manager.configure("shy", {"times": 2, "key": "sesame"})
    manager.disable("shy")
    again = PluginManager(paths, SettingsStore(paths), entry_points=[])
    again.discover()
    record = again.record("shy")
    assert (record.description, record.config) == ("Says shy.", {"times": 2, "key": "set"})
    assert again.configure("shy", {"times": 3}).config["times"] == 3
    assert again.record("shy").state == "disabled"
    (paths.home / "plugin-cards.json").write_text("nonsense")
    third = PluginManager(paths, SettingsStore(paths), entry_points=[])
    third.discover()
    assert third.record("shy").config == {"times": 3}


def test_listing_imports_nothing_and_one_can_be_switched_off(paths, manager):
    write(paths.plugins, "deadly", body="    import os; os._exit(7)")
    manager.discover(load=False)
    assert manager.disable("deadly").state == "disabled"
    again = PluginManager(paths, SettingsStore(paths), entry_points=[])
    again.discover()
    assert states(again) == {"deadly": "disabled"}


def test_a_plugin_that_is_off_by_default_waits_to_be_enabled(paths, manager):
    write(paths.plugins, "shy", body="    enabled_by_default = False")
    manager.discover()
    assert states(manager) == {"shy": "disabled"}
    manager.enable("shy")
    assert replies(manager) == ["shy"]
    assert SettingsStore(paths).value.plugins["shy"].enabled is True


def test_enabling_and_disabling_take_effect_at_once_and_a_running_turn_keeps_its_plugins(manager):
    manager.register("shout", Shout)
    running = manager.for_turn()
    manager.disable("shout")
    assert replies(manager) == []
    assert running.implements("transform_reply")
    with pytest.raises(PluginError):
        manager.plugin("shout")
    manager.enable("shout")
    assert replies(manager) == ["shout"]


def test_switching_in_one_thread_does_not_disturb_turns_in_another(paths, manager):
    write(paths.plugins, "loose")
    manager.register("shout", Shout)
    manager.discover()
    stop = threading.Event()
    errors = []

    def switch():
        try:
            while not stop.is_set():
                manager.disable("loose")
                manager.enable("loose")
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            errors.append(error)

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        for _ in range(200):
            assert replies(manager)[-1] == "shout"
            assert replies(manager, off=["shout"]) in ([], ["loose"])
            assert len(manager.records()) == 2
    finally:
        stop.set()
        thread.join(30)
    assert errors == []


def test_a_turn_that_names_plugins_leaves_what_others_supply_as_it_is(manager):
    manager.register("shout", Shout)
    before = manager.for_turn()
    manager.for_turn(off=["shout"])
    assert manager.for_turn()._implementations is before._implementations


def test_a_turn_can_add_and_leave_out_plugins(manager):
    manager.register("a", Shout)
    manager.register("b", Shout)
    manager.disable("b")
    assert replies(manager, on=["b"]) == ["a", "b"]
    assert replies(manager, off=["a"]) == []
    assert replies(manager, on=["b"], off=["a"]) == ["b"]
    assert replies(manager) == ["a"]
    assert states(manager) == {"a": "enabled", "b": "disabled"}


def test_a_turn_cannot_add_a_plugin_that_is_set_aside(manager):
    class Broken(Plugin):
        @hookimpl
        def jackfield_nothing(self):
            pass

    manager.register("broken", Broken)
    with pytest.raises(PluginError, match="cannot be used"):
        manager.for_turn(on=["broken"])


def test_offline_refuses_what_uses_the_network_while_it_runs(paths):
    class Online(Plugin):
        reach = Reach(network="runtime", hosts=("example.org",))

    class Fetches(Plugin):
        reach = Reach(network="download")

    settings = SettingsStore(paths)
    settings.set("offline", True)
    manager = PluginManager(paths, settings, entry_points=[])
    manager.register("online", Online)
    manager.register("fetches", Fetches)
    assert states(manager) == {"online": "set aside", "fetches": "enabled"}
    assert "offline" in manager.record("online").error
    settings.set("offline", False)
    assert states(manager)["online"] == "enabled"
    settings.set("offline", True)
    assert states(manager)["online"] == "set aside"
    assert manager.record("online").reach.hosts == ("example.org",)


def test_what_another_process_sets_is_followed(paths, manager):
    write(paths.plugins, "loose")
    manager.discover()
    other = SettingsStore(paths)
    other.set("plugins.loose.enabled", False)
    assert replies(manager) == []
    other.set("plugins.loose.enabled", True)
    other.set(("plugins", "loose", "config"), {"times": 2})
    assert replies(manager) == ["loose"]
    assert manager.plugin("loose").config.times == 2
    other.set(("plugins", "loose", "config"), {"times": 9})
    assert replies(manager) == ["loose"]
    assert manager.plugin("loose").config.times == 2  # it goes on with what it had
    assert "not valid" in manager.record("loose").error


def test_order_is_tryfirst_then_the_users_then_by_name_then_trylast(manager):
    class First(Plugin):
        @hookimpl(tryfirst=True)
        def jackfield_transform_reply(self, reply):
            return reply

    class Last(Plugin):
        @hookimpl(trylast=True)
        def jackfield_transform_reply(self, reply):
            return reply

    for name, kind in {"a": Last, "b": Shout, "c": Shout, "d": Shout, "e": First}.items():
        manager.register(name, kind)
    assert replies(manager) == ["e", "b", "c", "d", "a"]
    manager.set_order(["d", "a", "c", "d"])
    assert replies(manager) == ["e", "d", "c", "b", "a"]
    assert [one.name for one in manager.records()] == ["d", "a", "c", "b", "e"]
    assert [one.order for one in manager.records()] == [0, 1, 2, 3, 4]


def test_two_files_and_packages_of_one_name_are_asked_about(paths):
    from importlib.metadata import EntryPoint

    write(paths.plugins, "shout")
    point = EntryPoint("shout", f"{__name__}:Shout", "jackfield")
    write(paths.plugins, "fine")
    manager = PluginManager(paths, SettingsStore(paths), entry_points=[point])
    manager.discover()
    assert states(manager) == {"shout": "set aside", "fine": "enabled"}
    (conflict,) = manager.conflicts()
    assert (conflict.what, conflict.chosen) == ("plugin:shout", None)
    assert len(conflict.owners) == 2 and "shout.py" in conflict.owners
    assert "shout.py" in manager.record("shout").error
    manager.choose("plugin:shout", "shout.py")
    assert manager.record("shout").origin == "file"
    assert states(manager) == {"shout": "enabled", "fine": "enabled"}
    with pytest.raises(InvalidRequest):
        manager.choose("plugin:shout", "somebody")
