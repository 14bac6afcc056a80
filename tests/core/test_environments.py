"""Environments of loaders: real virtual environments, filled by pip."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from clashing_loader import ClashingLoader
from jackfield.environments import Environments, Wanted, python_of
from jackfield.errors import InvalidRequest, NotFound, NotPermitted, PluginError
from jackfield.loader import Environment, ModelFiles, Prompt
from jackfield.paths import Paths
from jackfield.sampling import SamplingParams
from jackfield.settings_store import SettingsStore
from jackfield.testing import WorkerModel


def wheel(folder: Path, version: str) -> str:
    """A wheel of the package ``brittle`` that knows its version."""
    path = folder / f"brittle-{version}-py3-none-any.whl"
    info = f"brittle-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("brittle.py", f"VERSION = {version!r}\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: brittle\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return str(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Paths, Wanted]:
    """An environment with version 1 of a package."""
    folder = tmp_path_factory.mktemp("made")
    paths = Paths(folder / "home")
    paths.make()
    wanted = Wanted("clashing", (wheel(folder, "1.0"),), ("clashing_loader",))
    Environments(paths, SettingsStore(paths)).ensure(wanted)
    return paths, wanted


def test_a_worker_runs_with_its_own_packages_and_none_of_the_servers(made, monkeypatch, tmp_path):
    paths, wanted = made
    (tmp_path / "brittle.py").write_text("VERSION = '2.0'\n")
    monkeypatch.syspath_prepend(tmp_path)
    import brittle

    assert brittle.VERSION == "2.0"
    monkeypatch.setattr(ClashingLoader, "environment", Environment(wanted.requirements))
    environments = Environments(paths, SettingsStore(paths))
    python = environments.interpreter(ClashingLoader())
    files = ModelFiles(tmp_path / "model.clash", "clash", 1)
    with WorkerModel(ClashingLoader(), files, ClashingLoader.Options(), python=python) as model:
        text = "".join(one.text for one in model.complete(Prompt("x"), SamplingParams()))
    folder = paths.environments / "clashing"
    assert text == f"brittle 1.0, prefix {folder}, server's packages False"


def test_a_loader_without_a_wish_runs_where_the_server_runs(made):
    paths, _ = made
    assert Environments(paths, SettingsStore(paths)).interpreter(ClashingLoader()) == sys.executable


def test_it_is_listed_with_its_size_and_what_it_holds(made):
    paths, wanted = made
    environments = Environments(paths, SettingsStore(paths))
    assert environments.names() == ("clashing",)
    record = environments.get("clashing")
    assert (record.name, record.state) == ("clashing", "ready")
    assert record.requirements == wanted.requirements
    assert record.size > 1_000_000


def test_it_is_made_once(made):
    paths, wanted = made
    told: list[str] = []
    Environments(paths, SettingsStore(paths)).ensure(wanted, told.append)
    assert told == []


def test_one_that_was_killed_half_way_is_never_used(paths, tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from jackfield.environments import Environments, Wanted\n"
        "from jackfield.paths import Paths; from jackfield.settings_store import SettingsStore\n"
        "paths = Paths(Path(sys.argv[1]))\n"
        "Environments(paths, SettingsStore(paths)).ensure(Wanted('killed', (sys.argv[2],), ()))\n"
    )
    command = [sys.executable, "-c", program, str(paths.home), wheel(tmp_path, "1.0")]
    folder = paths.environments / "killed"
    with subprocess.Popen(command, start_new_session=True) as process:
        until = time.monotonic() + 60
        while not python_of(folder).exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    environments = Environments(paths, SettingsStore(paths))
    assert environments.get("killed").state == "half made"
    told: list[str] = []
    python = environments.ensure(Wanted("killed", (wheel(tmp_path, "1.0"),), ()), told.append)
    assert told
    assert environments.get("killed").state == "ready"
    subprocess.run([str(python), "-c", "import brittle, jackfield.worker.child"], check=True)
    changed = Wanted("killed", (wheel(tmp_path, "2.0"),), ())
    environments.ensure(changed)
    assert environments.get("killed").requirements == changed.requirements
    environments.remove("killed")
    assert environments.names() == ()


def test_a_requirement_that_is_not_to_be_had_leaves_nothing_that_is_used(paths, tmp_path):
    environments = Environments(paths, SettingsStore(paths))
    missing = str(tmp_path / "missing-1.0-py3-none-any.whl")
    with pytest.raises(PluginError, match=r"missing-1\.0"):
        environments.ensure(Wanted("broken", (missing,), ()))
    assert environments.get("broken").state == "half made"


def test_offline_nothing_is_made_and_the_command_for_later_is_named(paths):
    settings = SettingsStore(paths)
    settings.set(("offline",), True)
    with pytest.raises(NotPermitted, match="offline") as refused:
        Environments(paths, settings).ensure(Wanted("later", ("brittle",), ()))
    assert "jackfield environments make later" in refused.value.hint
    assert Environments(paths, settings).names() == ()


def test_names_cannot_lead_elsewhere(paths):
    environments = Environments(paths, SettingsStore(paths))
    for name in ("..", "../x", "", ".hidden"):
        with pytest.raises(InvalidRequest):
            environments.ensure(Wanted(name, (), ()))
        with pytest.raises(NotFound):
            environments.remove(name)
