"""Five bad plugins at once and one that kills its process: the server does not care."""

import json
import signal

import pytest

from installation import Installation
from jackfield.testing import fake_model

REASONS = {
    "import-error": "No module named 'a_module_that_nobody_has'",
    "wrong-argument": "jackfield_transform_reply(self, text, turn)",
    "misspelled-hook": "'jackfield_transform_replay'",
    "invalid-config": "ending: Field required",
    "kills-process": "Its import ended the process",
}
ALL = [*REASONS, "raises-everywhere"]


@pytest.fixture(scope="module")
def infested(tmp_path_factory, site):
    """An installation with all of them, at its very first start."""
    made = Installation(tmp_path_factory.mktemp("home"), site)
    made.add_fake_loader()
    fake_model(made.paths.models, "parrot")
    return made


@pytest.fixture(scope="module")
def started(infested):
    """A server over the bad plugins; the one that kills its process may have ended one start."""
    first = infested.run("plugins", "list")
    assert first.returncode in (0, -signal.SIGSEGV), first.stderr
    with infested.serving() as server:
        yield server


@pytest.fixture(autouse=True)
def all_enabled(request):
    """Tests switch bad plugins off; the next one finds them as they were."""
    yield
    if "started" in request.fixturenames:
        server = request.getfixturevalue("started")
        for name in ALL:
            assert server.http.post(f"/api/plugins/{name}/enable").status_code == 200


def test_the_server_starts_and_lists_each_bad_plugin_with_its_reason_and_advice(started):
    found = {one["name"]: one for one in started.get("/api/plugins")}
    for name, reason in REASONS.items():
        assert found[name]["state"] == "set aside", name
        assert reason in found[name]["error"]
        assert found[name]["advice"]
    assert found["shout"]["state"] == found["gguf"]["state"] == "enabled"


def test_everything_is_usable_beside_bad_plugins(started):
    assert started.answer("parrot", "hello") == "HELLO!"
    assert started.answer("parrot", "hello", extra_body={"plugins": {"off": ["shout"]}}) == "hello"
    assert [one.id for one in started.openai.models.list()] == ["parrot"]
    page = started.http.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "presets" in started.get("/api/sampling")
    assert "Traceback" not in started.errors


def test_a_plugin_that_raises_in_every_hook_is_set_aside_after_some_turns(started):
    for number in range(8):
        assert started.answer("parrot", f"turn {number}") == f"TURN {number}!"
    record = started.plugin("raises-everywhere")
    assert record["state"] == "set aside"
    assert "ValueError" in record["error"]
    assert "raises-everywhere" in record["advice"]


def test_a_failing_hook_stands_in_the_trace_with_its_plugin(started):
    turn = started.chat("parrot", "hello").jackfield["turn"]
    lines = started.get(f"/api/traces/{turn}")["lines"]
    failed = {one["hook"] for one in lines if one["plugin"] == "raises-everywhere" and one["error"]}
    assert {"before_turn", "transform_input", "filter_stream", "transform_reply"} <= failed


def test_each_bad_plugin_is_disabled_on_the_command_line_while_the_server_runs(infested, started):
    for name in ALL:
        done = infested.run("plugins", "disable", name)
        assert done.returncode == 0, done.stderr
    assert started.answer("parrot", "hello") == "HELLO!"
    found = {one["name"]: one["state"] for one in started.get("/api/plugins")}
    assert {found[name] for name in ALL} == {"disabled"}


def test_each_bad_plugin_is_disabled_over_http(started):
    for name in ALL:
        answer = started.http.post(f"/api/plugins/{name}/disable")
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == "disabled"


def test_a_bad_loose_plugin_is_removed_on_the_command_line_while_the_server_runs(infested, started):
    bad = infested.paths.plugins / "deadly.py"
    bad.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    done = infested.run("plugins", "uninstall", "deadly", "--yes")
    assert done.returncode == 0, done.stderr
    assert not bad.exists()
    assert list((infested.paths.plugins / ".removed").glob("deadly-*.py"))
    assert started.answer("parrot", "hello") == "HELLO!"


def test_the_one_that_kills_its_process_is_switched_off_before_it_was_ever_imported(tmp_path, site):
    fresh = Installation(tmp_path / "home", site)
    assert fresh.run("plugins", "disable", "kills-process").returncode == 0
    listed = fresh.run("plugins", "show", "kills-process", "--json")
    assert json.loads(listed.stdout)["state"] == "disabled"


def test_the_command_line_lists_them_too_as_a_table_and_as_json(infested, started):
    listed = infested.run("plugins", "list", "--json")
    states = {one["name"]: one["state"] for one in json.loads(listed.stdout)}
    assert {states[name] for name in REASONS} == {"set aside"}
    table = infested.run("plugins", "list")
    assert table.returncode == 0
    for name, reason in REASONS.items():
        assert name in table.stdout
        assert reason in table.stderr
