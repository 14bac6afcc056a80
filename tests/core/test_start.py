"""The set-up script, taken apart: what it understands, and what it says when it fails."""

import importlib.util
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "start.py"


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, at work on an empty folder."""
    spec = importlib.util.spec_from_file_location("start", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    return module


@pytest.fixture
def calls(start, monkeypatch):
    """The command the script would become, in place of becoming it."""
    made = []
    monkeypatch.setattr(start, "install", lambda extra: made.append(["install", extra]))

    def become(program, command, environment):
        made.append([*command, environment.get("JACKFIELD_HOME")])
        raise SystemExit(0)

    monkeypatch.setattr(start.os, "execve", become)
    return made


def run(start, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["start.py", *words])
    try:
        return start.main()
    except SystemExit as done:
        return done.code


def with_free_disk(start, monkeypatch, gigabytes):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: usage(100e9, 0, gigabytes * 1e9))


def test_options_reach_the_server(start, calls, monkeypatch, tmp_path):
    words = ("--no-browser", "--no-starter", "--host", "::1", "--port", "7861")
    assert run(start, monkeypatch, *words, "--home", str(tmp_path / "data")) == 0
    served = ["serve", "--host", "::1", "--port", "7861", "--no-browser"]
    python = str(start.PYTHON)
    home = str(tmp_path / "data")
    assert calls == [["install", "serve"], [python, "-m", "jackfield", *served, home]]


def test_without_options_the_settings_decide(start, calls, monkeypatch):
    monkeypatch.delenv("JACKFIELD_HOME")
    run(start, monkeypatch, "--no-starter")
    assert calls[-1] == [str(start.PYTHON), "-m", "jackfield", "serve", None]


@pytest.mark.parametrize("words", [("--port", "many"), ("--prot", "1"), ("tset",)])
def test_a_mistake_on_the_command_line_is_usage(start, calls, monkeypatch, capsys, words):
    assert run(start, monkeypatch, *words) == 2
    assert "usage:" in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize("verb", ["test", "lint", "check"])
def test_the_verbs_of_developers_are_understood(start, monkeypatch, verb):
    monkeypatch.setattr(sys, "argv", ["start.py", verb])
    assert start.parse().action is getattr(start, verb)


def test_the_starter_is_fetched_only_when_no_model_is_there(start, calls, monkeypatch):
    fetched = []
    listed = {"out": b"[]"}

    def answered(command, **more):
        return subprocess.CompletedProcess(command, 0, listed["out"])

    monkeypatch.setattr(start.subprocess, "run", answered)
    monkeypatch.setattr(start.subprocess, "call", lambda command, **more: fetched.append(command))
    run(start, monkeypatch)
    assert [one[3:] for one in fetched] == [["models", "pull", "smollm2"]]
    listed["out"] = b'[{"name": "mine"}]'
    run(start, monkeypatch)
    assert len(fetched) == 1


def test_a_starter_that_cannot_be_fetched_does_not_keep_the_server_from_starting(
    start, calls, monkeypatch, capsys
):
    done = subprocess.CompletedProcess([], 0, b"[]")
    monkeypatch.setattr(start.subprocess, "run", lambda command, **more: done)
    monkeypatch.setattr(start.subprocess, "call", lambda command, **more: 1)
    assert run(start, monkeypatch) == 0
    assert calls[-1][3] == "serve"
    assert "without a model" in capsys.readouterr().out


def test_an_old_python_is_told_which_one_is_needed(start, calls, monkeypatch, capsys):
    monkeypatch.setattr(start.sys, "version_info", (3, 10, 9))
    assert run(start, monkeypatch, "--no-starter") == 1
    told = capsys.readouterr().err
    assert "3.11 or newer; this is 3.10" in told
    assert "python.org" in told
    assert calls == []


def test_an_old_python_can_read_the_script_as_far_as_that_message():
    """Nothing in it that Python 3.7 cannot parse."""
    import ast

    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_too_little_disk_is_said_before_anything_is_made(start, monkeypatch, capsys):
    with_free_disk(start, monkeypatch, 0.4)
    assert run(start, monkeypatch, "--no-starter") == 1
    told = capsys.readouterr().err
    assert "0.4 GB" in told and "1.5 GB" in told and "Free some space" in told
    assert not start.VENV.exists()


def test_a_python_without_venv_is_told_what_to_install(start, monkeypatch, capsys):
    with_free_disk(start, monkeypatch, 50)
    failed = subprocess.CompletedProcess([], 1, "ensurepip is not available")
    monkeypatch.setattr(start.subprocess, "run", lambda command, **more: failed)
    assert run(start, monkeypatch, "--no-starter") == 1
    told = capsys.readouterr().err
    assert "ensurepip is not available" in told and "apt install python3-venv" in told


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("Temporary failure in name resolution", "There is no network"),
        ("NewConnectionError: Failed to establish a new connection", "There is no network"),
        ("ProtocolError: Connection broken: IncompleteRead", "start again"),
        ("ERROR: No matching distribution found for xllamacpp", "A package could not be found"),
        ("CMake Error: CMAKE_CXX_COMPILER not set", "A compiler is missing"),
        ("PermissionError: [Errno 13] Permission denied", "cannot be written"),
    ],
)
def test_a_failed_installation_says_what_to_do(start, output, advice):
    told = start.explain("Collecting a\n\nCollecting b\n" + output + "\n")
    assert output in told
    assert advice in told


def test_of_a_long_log_only_the_end_is_shown(start):
    told = start.explain("\n".join(f"line {number}" for number in range(100)))
    assert "line 99" in told and "line 90" not in told


def test_an_installation_is_done_again_only_when_what_it_was_made_from_changed(start, tmp_path):
    before = start.stamp()
    assert start.stamp() == before
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert start.stamp() != before


def test_a_second_start_installs_nothing(start, monkeypatch):
    start.PYTHON.parent.mkdir(parents=True)
    start.PYTHON.touch()
    (start.VENV / "jackfield-serve.stamp").write_text(start.stamp())
    monkeypatch.setattr(start, "make_venv", lambda extra: pytest.fail("it was installed again"))
    start.install("serve")


def test_a_failing_pip_ends_with_advice_and_the_whole_log(start, monkeypatch):
    start.VENV.mkdir()
    monkeypatch.setattr(start, "PYTHON", Path(sys.executable))
    with pytest.raises(start.SetupError) as caught:
        start.pip("install", "--no-index", "no-such-package-anywhere")
    assert "A package could not be found" in str(caught.value)
    log = start.VENV / "install.log"
    assert str(log) in str(caught.value)
    assert "no-such-package-anywhere" in log.read_text()


def test_a_program_that_is_missing_is_named_with_its_package(start, monkeypatch):
    monkeypatch.setattr(start.shutil, "which", lambda name: None)
    with pytest.raises(start.SetupError, match="apt install chromium"):
        start.need_program("chromium", "chromium")


def test_ctrl_c_ends_it_quietly(start, monkeypatch):
    def interrupted(extra):
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "install", interrupted)
    assert run(start, monkeypatch) == 130
