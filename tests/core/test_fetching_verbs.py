"""``jackfield models search, variants, pull, downloads, pause, resume, cancel``."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_downloads import FILE, HERE, NAME, SIZE
from hub_server import PIECE, HubServer, Misbehaviour, Repository, sha256
from installation import Installation, until

GREEDY = ("--temperature", "0", "--max-tokens", "16")
HELD = 300 * PIECE


@pytest.fixture
def hub(smollm2: Path) -> Iterator[HubServer]:
    with HubServer() as hub:
        files = {FILE: smollm2, FILE.replace("Q4_1", "Q8_0"): smollm2}
        hub.repositories[NAME] = Repository(files)
        yield hub


@pytest.fixture
def home(tmp_path: Path, hub: HubServer) -> Installation:
    made = Installation(tmp_path / "home")
    made.paths.settings.write_text(f'[plugins.hub.config]\nendpoint = "{hub.url}"\n')
    return made


def arrived(home: Installation) -> int:
    return sum(one.stat().st_size for one in home.paths.models.rglob("*.part"))


def test_models_are_searched_and_their_quantizations_listed(home: Installation):
    done = home.run("models", "search", "SmolLM2", "135M")
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(home.run("models", "search", "smollm2", "--json").stdout)
    assert {one["source"] for one in results} == {"packages", "hub", "links"}
    done = home.run("models", "search", "smollm2")
    assert NAME in done.stdout and "apache-2.0" in done.stdout and "Q4_1" not in done.stdout
    narrow = subprocess.run(
        home.command("models", "search", "smollm2"),
        env={**home.environment, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert NAME in narrow.stdout  # what is to be typed next is never cut
    done = home.run("models", "variants", NAME)
    assert f"{NAME}:Q8_0" in done.stdout and "98 MB" in done.stdout and HERE in done.stdout


def test_a_model_is_pulled_and_then_runs(home: Installation, hub: HubServer, smollm2: Path):
    done = home.run("models", "pull", NAME)
    assert done.returncode == 0, done.stderr
    assert "Q4_1 was chosen. There is: " in done.stderr
    assert sha256(home.paths.models / HERE / FILE) == sha256(smollm2)
    done = home.run("run", HERE, "Which city is the capital of France?", *GREEDY)
    assert "Paris" in done.stdout
    done = home.run("models", "pull", NAME, "--quantization", "q8_0", "--name", "eight")
    assert "eight is here" in done.stderr
    assert (home.paths.models / "eight" / "jackfield.json").exists()


def test_ctrl_c_keeps_what_has_arrived_and_the_same_command_goes_on(
    home: Installation, hub: HubServer
):
    hub.wrong = Misbehaviour(hold_at=HELD)
    pulling = home.popen("models", "pull", NAME)
    try:
        until(lambda: arrived(home) == HELD, 60)
        pulling.send_signal(signal.SIGINT)
        _, said = pulling.communicate(timeout=30)
    finally:
        pulling.kill()
        pulling.communicate(timeout=30)
    assert pulling.returncode == 130
    assert "the same command goes on from there" in said
    listed = home.run("models", "downloads").stdout
    assert HERE in listed and "paused" in listed and "20 MB of 98 MB" in listed
    hub.wrong = Misbehaviour()
    assert home.run("models", "pull", NAME).returncode == 0
    assert hub.served == SIZE
    assert "There is none" in home.run("models", "downloads").stderr


def test_an_interrupted_download_is_cancelled_without_a_server(home: Installation, hub: HubServer):
    hub.wrong = Misbehaviour(hold_at=HELD)
    pulling = home.popen("models", "pull", NAME)
    try:
        until(lambda: arrived(home) == HELD, 60)
    finally:
        pulling.kill()
        pulling.communicate(timeout=30)
    (job,) = json.loads(home.run("models", "downloads", "--json").stdout)
    assert (job["state"], job["interrupted"]) == ("paused", True)
    assert "No server is running" in home.run("models", "resume", job["id"]).stderr
    assert f"{HERE}: cancelled." in home.run("models", "cancel", job["id"]).stderr
    assert arrived(home) == 0
    assert home.run("models", "cancel", job["id"]).returncode == 1


def test_the_running_server_goes_on_with_what_was_killed_and_pauses_it(
    home: Installation, hub: HubServer, smollm2: Path
):
    hub.wrong = Misbehaviour(hold_at=HELD)
    with home.serving() as server:
        sent = server.http.post("/api/downloads", json={"reference": NAME})
        assert sent.status_code == 202, sent.text
        until(lambda: arrived(home) == HELD, 60)
        server.kill()
    with home.serving() as server:
        (job,) = json.loads(home.run("models", "downloads", "--json").stdout)
        assert (job["id"], job["state"]) == (sent.json()["id"], "paused")
        hub.wrong = Misbehaviour(hold_at=2 * HELD)
        assert home.run("models", "resume", job["id"]).returncode == 0
        until(lambda: arrived(home) == 2 * HELD, 60)
        assert home.run("models", "pause", job["id"]).returncode == 0
        until(lambda: server.get(f"/api/downloads/{job['id']}")["state"] == "paused")
        hub.wrong = Misbehaviour()
        assert home.run("models", "resume", job["id"]).returncode == 0
        until(lambda: server.get(f"/api/downloads/{job['id']}")["state"] == "done")
    assert sha256(home.paths.models / HERE / FILE) == sha256(smollm2)
    assert hub.served == SIZE


def test_a_download_that_fails_exits_with_one_and_says_why(home: Installation, hub: HubServer):
    hub.wrong = Misbehaviour(flip_at=1000)
    done = home.run("models", "pull", NAME)
    assert done.returncode == 1
    assert "and should have" in done.stderr and "Traceback" not in done.stderr
    assert arrived(home) == 0
