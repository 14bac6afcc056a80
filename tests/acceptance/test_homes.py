"""Data folders that are taken, broken or not to be had, and ports that are."""

import json
import socket

import pytest

from installation import Installation
from jackfield.testing import fake_model

BROKEN = '[server]\nport = 7861\n\n[chat\nmodel = "a"\n'


def test_a_second_server_on_one_folder_is_refused_and_names_the_first(installation):
    with installation.serving() as first:
        second = installation.run("serve", "--no-browser", "--port", "0")
        assert second.returncode == 1
        assert str(first.pid) in second.stderr and first.url in second.stderr
        assert str(installation.paths.home) in second.stderr
        assert "Traceback" not in second.stderr and second.stdout == ""
        assert first.get("/health")["status"] == "ok"


def test_commands_work_beside_a_running_server(installation):
    fake_model(installation.paths.models, "parrot", memory=50_000_000)
    with installation.serving() as server:
        assert installation.run("run", "parrot", "hello").stdout == "hello\n"
        loaded = installation.run("models", "load", "parrot", "--option", "n_ctx=512")
        assert loaded.returncode == 0, loaded.stderr
        assert server.resident("parrot")["options"]["n_ctx"] == 512
        unloaded = installation.run("models", "unload", "parrot")
        assert unloaded.returncode == 0
        assert "before" in unloaded.stderr and "after" in unloaded.stderr
        assert server.resident("parrot") == {}
        assert installation.run("config", "set", "engine.idle_minutes", "7").returncode == 0
        assert server.get("/api/settings")["settings"]["engine"]["idle_minutes"] == 7
        looked = installation.run("doctor", "--json")
        assert looked.returncode == 0
        assert not [one for one in json.loads(looked.stdout) if one["mark"] == "fail"]


def test_a_port_that_jackfield_has_is_named_as_such(installation, tmp_path):
    with installation.serving() as server:
        port = server.url.rpartition(":")[2]
        other = Installation(tmp_path / "other")
        refused = other.run("serve", "--no-browser", "--port", port)
        assert refused.returncode == 1
        assert f"Jackfield already runs at {server.url}" in refused.stderr
        assert not other.paths.server.exists()


def test_a_port_that_another_program_has_is_said_to_be_taken(installation):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = installation.run("serve", "--no-browser", "--port", port)
    assert refused.returncode == 1
    assert f"Port {port}" in refused.stderr and "taken" in refused.stderr
    assert "--port" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("command", [("serve", "--no-browser", "--port", "0"), ("models", "list")])
def test_a_broken_settings_file_is_named_with_its_line_and_left_as_it_is(installation, command):
    installation.paths.settings.write_text(BROKEN)
    refused = installation.run(*command)
    assert refused.returncode == 1
    assert str(installation.paths.settings) in refused.stderr
    assert "line 4" in refused.stderr
    assert "jackfield config reset" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert installation.paths.settings.read_text() == BROKEN


def test_a_value_out_of_bounds_in_the_settings_file_is_named(installation):
    installation.paths.settings.write_text("[server]\nport = 99999\n")
    refused = installation.run("serve", "--no-browser")
    assert refused.returncode == 1
    assert "server.port" in refused.stderr and "99999" in refused.stderr
    assert "jackfield config" in refused.stderr


def test_after_config_reset_it_starts_and_the_broken_file_is_kept(installation):
    installation.paths.settings.write_text(BROKEN)
    reset = installation.run("config", "reset")
    assert reset.returncode == 0, reset.stderr
    kept = [
        one
        for one in installation.paths.home.iterdir()
        if one.is_file() and "settings" in one.name and one.read_text() == BROKEN
    ]
    assert len(kept) == 1 and str(kept[0]) in reset.stderr
    with installation.serving() as server:
        assert server.get("/health")["status"] == "ok"


def test_settings_that_break_while_the_server_runs_leave_it_with_the_last_good_ones(installation):
    fake_model(installation.paths.models, "parrot")
    with installation.serving() as server:
        installation.paths.settings.write_text(BROKEN)
        assert server.answer("parrot", "hello") == "hello"
        assert "line 4" in server.get("/api/settings")["problem"]
        refused = server.http.patch("/api/settings", json={"values": {"chat.model": "parrot"}})
        assert refused.status_code == 400
        assert installation.paths.settings.read_text() == BROKEN


def test_a_data_folder_that_cannot_be_made_is_a_clear_error(tmp_path, installation):
    (tmp_path / "file").write_text("in the way")
    refused = installation.run("serve", "--no-browser", "--home", str(tmp_path / "file" / "home"))
    assert refused.returncode == 1
    assert "cannot be made" in refused.stderr and "--home" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_that_is_none_is_a_clear_error_and_left_as_it_is(installation):
    rubbish = b"this is no database" * 100
    installation.paths.database.write_bytes(rubbish)
    refused = installation.run("serve", "--no-browser", "--port", "0")
    assert refused.returncode == 1
    assert str(installation.paths.database) in refused.stderr
    assert "Traceback" not in refused.stderr
    assert installation.paths.database.read_bytes() == rubbish
