"""Installing and uninstalling with real pip, in an environment of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from jackfield.errors import InvalidRequest, NotPermitted, PluginError, PluginNotFound
from jackfield.installer import Installer, needed_packages
from jackfield.manager import PluginManager
from jackfield.settings_store import SettingsStore
from pip_environment import PipEnvironment, make_wheel, plug


def pip(general: list[object], *arguments: object) -> None:
    """Install something with pip itself."""
    command = [sys.executable, "-m", "pip", *general, "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([str(one) for one in [*command, *arguments]], check=True, timeout=120)


@pytest.fixture
def environment(tmp_path: Path) -> PipEnvironment:
    return PipEnvironment(tmp_path)


@pytest.fixture
def installer(paths) -> Installer:
    settings = SettingsStore(paths)
    return Installer(paths, settings, PluginManager(paths, settings, entry_points=[]))


def test_a_plugin_is_installed_used_upgraded_and_uninstalled_without_a_restart(environment):
    make_wheel(environment.shelf, "calm", "1.0", module=plug("The first."))
    (environment.folder / "newer").mkdir()
    newer = make_wheel(environment.folder / "newer", "calm", "1.1", module=plug("The second."))
    shown = environment.run(
        "manager.discover()\n"
        "plan = installer.plan('calm')\n"
        "seen = [[one.name, one.old, one.new] for one in plan.changes]\n"
        "before = [one.name for one in manager.records() if one.name == 'calm']\n"
        "first = installer.install('calm', progress=lines.append)\n"
        "works = manager.for_turn().implements('transform_reply')\n"
        f"second = installer.install({str(newer)!r})\n"
        "said = installer.uninstall('calm')\n"
        "after = [one.name for one in manager.records() if one.name == 'calm']\n"
        "show({'plan': seen, 'before': before, 'works': works, 'lines': lines, 'said': said,"
        "'installed': [[one.name, one.state, one.version, one.description] "
        "for one in first + second], 'after': after, 'imported': 'calm' in sys.modules})"
    )
    assert shown["plan"] == [["calm", "", "1.0"]]
    assert shown["before"] == shown["after"] == []
    assert shown["works"] is True
    assert shown["installed"] == [
        ["calm", "enabled", "1.0", "The first."],
        ["calm", "enabled", "1.1", "The second."],
    ]
    assert any("Successfully installed calm-1.0" in line for line in shown["lines"])
    assert "'calm'" in shown["said"]
    assert shown["imported"] is False


def test_a_plugin_being_written_is_installed_from_its_folder_and_seen_at_once(environment):
    folder = environment.folder / "mine"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "mine.py").write_text(plug("Mine."))
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "mine"\nversion = "0.1"\n'
        '[project.entry-points.jackfield]\nmine = "mine:Plug"\n'
        '[tool.hatch.build.targets.wheel]\nonly-include = ["src/mine.py"]\nsources = ["src"]\n'
    )
    shown = environment.run(
        "os.environ['PIP_NO_BUILD_ISOLATION'] = '0'\n"  # that is how pip spells it: use hatchling
        "manager.discover()\n"
        f"(one,) = installer.install({str(folder)!r}, editable=True)\n"
        "show([one.name, one.state, one.error])"
    )
    assert shown == ["mine", "enabled", ""]


def test_a_package_that_would_change_what_jackfield_needs_is_refused(environment):
    make_wheel(environment.shelf, "pluggy", "0.9")
    make_wheel(environment.shelf, "other", "3.0")
    requires = ("pluggy<1", "other")
    make_wheel(environment.shelf, "greedy", "1.0", requires=requires, module=plug("No."))
    shown = environment.run(
        "import importlib.metadata\nmanager.discover()\n"
        "show([error(installer.install, 'greedy'), importlib.metadata.version('pluggy'), "
        "[one.name for one in manager.records() if one.name == 'greedy']])"
    )
    assert "would change what Jackfield itself needs: pluggy" in shown[0]
    assert "0.9" in shown[0] and "other" not in shown[0]
    assert shown[1] != "0.9"
    assert shown[2] == []


def test_a_broken_plugin_that_was_installed_is_uninstalled_without_importing_it(environment):
    module = "import os\nos._exit(5)\n"
    environment.site.mkdir(exist_ok=True)
    wheel = make_wheel(environment.shelf, "deadly", "1.0", module=module)
    pip(["--python", environment.python], wheel)
    shown = environment.run(
        "manager.discover(load=False)\nsaid = installer.uninstall('deadly')\n"
        "show([said, [one.name for one in manager.records() if one.name == 'deadly']])"
    )
    assert "Uninstalled the package 'deadly'" in shown[0]
    assert shown[1] == []


def test_a_package_that_pip_cannot_remove_is_said_to_stay(environment, tmp_path):
    outside = tmp_path / "outside"
    wheel = make_wheel(environment.shelf, "distant", "1.0", module=plug("Far away."))
    pip([], wheel, "--target", outside)
    environment.see(outside)
    shown = environment.run(
        "manager.discover()\nwords = error(installer.uninstall, 'distant')\n"
        "show([words, manager.record('distant').state])"
    )
    assert "pip left the package 'distant'" in shown[0]
    assert "jackfield plugins disable distant" in shown[0]
    assert shown[1] == "enabled"


def test_a_name_that_no_index_has_is_said_in_one_sentence(environment):
    words = environment.run("show(error(installer.install, 'no-such-plugin-anywhere'))")
    assert words.startswith("PluginError: pip failed on 'no-such-plugin-anywhere'")
    assert "Check the name" in words


def test_two_packages_with_one_plugin_are_uninstalled_by_their_own_names(environment):
    make_wheel(environment.shelf, "calm", "1.0", module=plug("One."))
    shown = environment.run(
        "manager.discover()\ninstaller.install('calm')\n"
        f"(paths.plugins / 'calm.py').write_text({plug('Two.')!r})\nmanager.discover()\n"
        "words = error(installer.uninstall, 'calm')\n"
        "state = manager.record('calm').state\n"
        "said = installer.uninstall('calm.py')\n"
        "show([words, state, said, manager.record('calm').state])"
    )
    assert "InvalidRequest: Several packages have a plugin 'calm': calm, calm.py" in shown[0]
    assert shown[1] == "set aside"
    assert shown[3] == "enabled"


def test_what_comes_with_jackfield_is_disabled_and_not_uninstalled(paths):
    settings = SettingsStore(paths)
    manager = PluginManager(paths, settings)
    manager.discover(load=False)
    with pytest.raises(PluginError, match="comes with Jackfield") as caught:
        Installer(paths, settings, manager).uninstall("presets")
    assert "jackfield plugins disable presets" in caught.value.hint


def test_a_loose_file_is_put_aside_and_can_be_put_back(paths):
    settings = SettingsStore(paths)
    manager = PluginManager(paths, settings, entry_points=[])
    source = plug("Loose.")
    for _ in range(2):
        (paths.plugins / "mine.py").write_text(source)
        manager.discover()
        assert manager.record("mine").state == "enabled"
        said = Installer(paths, settings, manager).uninstall("mine")
        assert manager.records() == []
    kept = sorted((paths.plugins / ".removed").glob("mine-*.py"))
    assert len(kept) == 2
    assert str(kept[-1]) in said
    kept[0].rename(paths.plugins / "mine.py")
    manager.discover()
    assert manager.record("mine").state == "enabled"


def test_a_plugin_that_nobody_has_cannot_be_uninstalled(installer):
    with pytest.raises(PluginNotFound):
        installer.uninstall("nobody")


@pytest.mark.parametrize("spec", ["", "  ", "--index-url=http://example.org x", "-r x", "a\nb"])
def test_what_is_no_package_is_refused_before_pip_sees_it(installer, spec):
    with pytest.raises(InvalidRequest):
        installer.install(spec)


def test_nothing_is_fetched_in_offline_mode(installer, paths):
    SettingsStore(paths).set("offline", True)
    with pytest.raises(NotPermitted, match="offline mode"):
        installer.install("jackfield-shout")


def test_what_jackfield_needs_is_known_to_the_last():
    needed = needed_packages()
    assert {"jackfield", "pluggy", "pydantic", "pydantic-core", "streamlit", "starlette"} <= needed
    assert not {"pytest", "ruff", "hatchling"} & needed
