"""Plugins installed isolated, with real pip in a real environment, by what is typed."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from installation import Installation
from jackfield.errors import PluginError
from jackfield.isolation import Isolated, Isolations, extras_in, requirements
from old_loader import BRITTLE, old_loader, server_environment
from pip_environment import PipEnvironment, make_wheel, plug


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> PipEnvironment:
    """The interpreter of the servers of this module; each test installs what is its own."""
    return server_environment(tmp_path_factory.mktemp("server"))


@pytest.fixture
def home(tmp_path: Path, environment: PipEnvironment) -> Installation:
    made = Installation(tmp_path / "home", pip_environment=environment)
    (made.paths.models / "vase.old").write_text("old")
    return made


def installed(environment: PipEnvironment) -> set[str]:
    """Names of what pip put into the server's own folder."""
    return {one.name.partition("-")[0] for one in environment.site.glob("*.dist-info")}


def listed(home: Installation) -> list[dict[str, str]]:
    """Environments that are there, whole or not."""
    every = json.loads(home.run("environments", "list", "--json").stdout)
    return [one for one in every if one["state"] != "not made"]


def failed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def test_its_models_see_the_old_version_and_the_server_keeps_the_new_one(home, environment):
    wheel = old_loader(environment.shelf)
    done = home.run("plugins", "install", str(wheel), "--isolated", "--yes")
    assert done.returncode == 0, done.stderr
    assert "antique 1.0" in done.stderr
    assert f"in an environment of its own: {BRITTLE}==1.0" in done.stderr
    assert "antique is enabled" in done.stderr
    assert installed(environment) == {"antique", "jackfield_sample_brittle"}
    (shown,) = listed(home)
    assert (shown["name"], shown["state"], shown["loaders"]) == ("antique", "ready", ["antique"])
    told = home.run("run", "vase", "hello")
    assert told.stdout == "1.0 with brittle 1.0, server's packages False\n", told.stderr
    ask = "import brittle; print(brittle.VERSION)"
    host = subprocess.run([environment.python, "-c", ask], capture_output=True, text=True)
    assert host.stdout == "2.0\n"

    checked = home.run("plugins", "check", "antique", "--json")
    opened = [one for one in json.loads(checked.stdout) if one["subject"] == "loader antique"]
    assert len(opened) > 30, checked.stdout  # not one "is set up" that failed
    assert not [one for one in opened if "2.0" in one["reason"]]  # what load() says of the server's

    newer = old_loader(environment.shelf, version="1.1")
    refused = failed(home.run("plugins", "install", str(newer), "--yes"))
    assert "is installed isolated" in refused and "--isolated" in refused

    gone = home.run("plugins", "uninstall", "antique", "--yes")
    assert "and the environment antique" in gone.stderr
    assert listed(home) == []
    assert installed(environment) == {"jackfield_sample_brittle"}
    assert Isolations(home.paths).list() == []


def test_one_that_imports_its_back_end_at_once_is_refused_and_taken_back(home, environment):
    wheel = old_loader(environment.shelf, "hasty", head="import brittle_core\n")
    words = failed(home.run("plugins", "install", str(wheel), "--isolated", "--yes"))
    assert "imports its back-end when it is imported itself" in words
    assert "No module named 'brittle_core'" in words
    assert "inside the loader's load()" in words
    assert "hasty" not in installed(environment)
    assert listed(home) == [] and Isolations(home.paths).list() == []


def test_one_without_a_loader_is_refused_and_taken_back(home, environment):
    wheel = make_wheel(environment.shelf, "calm", "1.0", module=plug("No loader."))
    words = failed(home.run("plugins", "install", str(wheel), "--isolated", "--yes"))
    assert "offers no loader" in words
    assert "calm" not in installed(environment)


def test_one_that_is_off_from_the_start_is_furnished_as_well(home, environment):
    wheel = old_loader(environment.shelf, "shy", off=True)
    done = home.run("plugins", "install", str(wheel), "--isolated", "--yes")
    assert done.returncode == 0, done.stderr
    assert "shy is disabled" in done.stderr
    assert [(one["name"], one["state"]) for one in listed(home)] == [("shy", "ready")]
    assert home.run("plugins", "enable", "shy").returncode == 0
    assert home.run("run", "vase", "hello").stdout.startswith("1.0 with brittle 1.0")
    assert home.run("plugins", "uninstall", "shy", "--yes").returncode == 0
    assert listed(home) == []


def test_one_whose_requirement_is_not_to_be_had_is_taken_back(home, environment):
    wheel = old_loader(environment.shelf, "needy", needs=f"{BRITTLE}==1.7")
    words = failed(home.run("plugins", "install", str(wheel), "--isolated", "--yes"))
    assert f"pip failed on '{BRITTLE}==1.7'" in words
    assert "needy" not in installed(environment)
    assert listed(home) == []


def test_offline_and_a_full_disk_are_said_before_anything_changes(home, environment):
    wheel = old_loader(environment.shelf, "modest")
    home.paths.settings.write_text("offline = true\n")
    words = failed(home.run("plugins", "install", str(wheel), "--isolated", "--yes"))
    assert "offline mode is on" in words
    home.paths.settings.unlink()
    told = environment.run(
        "import jackfield.environments\n"
        "jackfield.environments.RESERVE = 10**18\n"  # more than any disk has
        "manager.discover()\n"
        f"show(error(installer.install, {str(wheel)!r}, isolated=True))"
    )
    assert told.startswith("DiskFull: The environment 'modest' may need")
    assert "modest" not in installed(environment)


@pytest.mark.parametrize("end", [os.killpg, os.kill], ids=["with its pip", "alone"])
def test_a_killed_installation_is_made_good_when_a_model_needs_it(home, environment, end):
    wheel = old_loader(environment.shelf, "mortal")
    words = ("plugins", "install", str(wheel), "--isolated", "--yes")
    folder = home.paths.environments / "mortal"
    with home.popen(*words, start_new_session=True) as process:
        until = time.monotonic() + 90
        while not (folder / "bin" / "python").exists():
            assert time.monotonic() < until and process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        end(process.pid, signal.SIGKILL)
    try:
        assert [(one["name"], one["state"]) for one in listed(home)] == [("mortal", "half made")]
        plugins = json.loads(home.run("plugins", "list", "--json").stdout)
        assert {one["state"] for one in plugins if one["name"] == "mortal"} == {"enabled"}
        told = home.run("run", "vase", "hello")
        assert told.stdout == "1.0 with brittle 1.0, server's packages False\n", told.stderr
        assert [one["state"] for one in listed(home)] == ["ready"]
    finally:
        home.run("plugins", "uninstall", "mortal", "--yes")


def test_requirements_leave_out_jackfield_and_follow_extras_and_markers():
    texts = [
        "jackfield>=0.0.1",
        "brittle==1.0",
        "never; python_version < '3'",
        "gpu-part[fast]>=2; extra == 'gpu'",
        "mine[gpu]; extra == 'all'",
    ]
    assert requirements("mine", texts, ()) == ("brittle==1.0",)
    assert requirements("mine", texts, ("all",)) == ("brittle==1.0", "gpu-part[fast]>=2")
    with pytest.raises(PluginError, match="needs jackfield >=99"):
        requirements("mine", ["jackfield>=99"], ())
    assert extras_in("mine[gpu,all]==1.0") == ("all", "gpu")
    assert extras_in("mine") == extras_in("./folder") == ()


def test_a_note_of_something_that_is_not_installed_does_no_harm(paths):
    isolations = Isolations(paths)
    isolations.add(Isolated("nothing-of-that-name", ("all",)))
    assert isolations.of_package("nothing_of_that_name") is None
    assert isolations.get("Nothing_of.that-name") == Isolated("nothing-of-that-name", ("all",))
    isolations.remove("nothing-of-that-name")
    assert isolations.list() == []


def test_a_damaged_note_is_said(paths):
    (paths.home / "isolated.json").write_text("{")
    with pytest.raises(PluginError, match="is damaged"):
        Isolations(paths).list()
