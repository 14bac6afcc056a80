"""Installing, isolating and uninstalling over HTTP, on a whole server, with real pip."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from installation import Installation, RunningServer
from jackfield.testing import fake_model
from old_loader import BRITTLE, HOST_EYES, old_loader, server_environment
from pip_environment import PipEnvironment, make_wheel, plug

PATIENCE = 120


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> PipEnvironment:
    return server_environment(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, environment: PipEnvironment
) -> Installation:
    made = Installation(tmp_path_factory.mktemp("home"), pip_environment=environment)
    made.add_fake_loader()
    fake_model(made.paths.models, "parrot")
    (made.paths.models / "vase.old").write_text("old")
    (made.paths.plugins / "host_eyes.py").write_text(HOST_EYES)
    return made


@pytest.fixture(scope="module")
def server(installation: Installation) -> Iterator[RunningServer]:
    with installation.serving() as server:
        yield server


@pytest.fixture(scope="module")
def isolated(server: RunningServer, environment: PipEnvironment) -> Path:
    """The wheel of a plugin that was installed isolated over HTTP."""
    wheel = old_loader(environment.shelf)
    sent = {"spec": str(wheel), "isolated": True}
    answer = server.http.post("/api/plugins", json=sent)
    assert answer.status_code == 201, answer.text
    (record,) = answer.json()
    assert (record["name"], record["state"]) == ("antique", "enabled")
    return wheel


def refused(answer: Any) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"]["message"])


def ended(server: RunningServer, name: str) -> dict[str, Any]:
    """The job of an environment, once it has ended."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        job: dict[str, Any] = server.get(f"/api/environments/{name}")["job"]
        if job["state"] != "running":
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def test_a_wheel_is_installed_used_and_uninstalled(server, environment):
    wheel = make_wheel(environment.shelf, "calm", "1.0", module=plug("It is calm."))
    answer = server.http.post("/api/plugins", json={"spec": str(wheel)})
    assert answer.status_code == 201, answer.text
    (record,) = answer.json()
    assert (record["name"], record["state"], record["version"]) == ("calm", "enabled", "1.0")
    assert server.plugin("calm")["description"] == "It is calm."
    gone = server.http.delete("/api/plugins/calm")
    assert gone.status_code == 200
    assert gone.json()["message"].startswith("Uninstalled the package 'calm'.")
    assert server.http.get("/api/plugins/calm").status_code == 404


def test_what_cannot_be_installed_or_uninstalled_says_why(server):
    nothing = server.http.post("/api/plugins", json={"spec": "./nowhere"})
    assert "There is nothing at './nowhere'" in refused(nothing)
    option = server.http.post("/api/plugins", json={"spec": "--index-url=x"})
    assert "not something to install" in refused(option)
    own = server.http.delete("/api/plugins/gguf")
    assert own.status_code == 500
    assert "comes with Jackfield" in own.json()["error"]["message"]
    assert server.http.delete("/api/plugins/nobody").status_code == 404


def test_isolated_and_ordinary_loaders_answer_side_by_side(server, isolated):
    assert server.answer("parrot", "hello") == "hello"
    assert server.answer("vase", "hello") == "1.0 with brittle 1.0, server's packages False"
    assert server.answer("parrot", "again") == "again"
    assert {server.resident("parrot")["state"], server.resident("vase")["state"]} == {"ready"}
    assert server.get("/api/plugins/host-eyes/brittle") == "2.0"


def test_an_environment_is_listed_with_what_it_holds_and_who_uses_it(server, isolated):
    server.answer("vase", "hello")
    (shown,) = [one for one in server.get("/api/environments") if one["name"] == "antique"]
    assert shown["state"] == "ready"
    assert shown["requirements"] == [f"{BRITTLE}==1.0"]
    assert (shown["loaders"], shown["models"]) == (["antique"], ["vase"])
    assert shown["size"] > 1_000_000
    assert server.http.get("/api/environments/nobody").status_code == 404


def test_nothing_is_taken_from_under_a_loaded_model(server, isolated, installation):
    server.answer("vase", "hello")
    for method, path, sent in (
        ("DELETE", "/api/environments/antique", None),
        ("POST", "/api/environments/antique/repair", None),
        ("DELETE", "/api/plugins/antique", None),
        ("POST", "/api/plugins", {"spec": str(isolated), "isolated": True}),
    ):
        answer = server.http.request(method, path, json=sent)
        assert "'vase' runs in it" in refused(answer)
        assert "jackfield models unload vase" in answer.json()["error"]["message"]
    for words in (("environments", "remove", "antique"), ("plugins", "uninstall", "antique")):
        typed = installation.run(*words, "--yes")
        assert typed.returncode == 2 and "'vase' runs in it" in typed.stderr
    assert server.answer("vase", "hello").startswith("1.0 with brittle 1.0")


def test_it_is_repaired_removed_and_made_with_its_progress_told(server, isolated):
    server.answer("vase", "hello")
    assert server.http.post("/api/models/vase/unload").status_code == 200
    python = Path(server.get("/api/environments/antique")["path"]) / "bin" / "python"
    python.unlink()
    assert server.get("/api/environments/antique")["state"] == "outdated"
    begun = server.http.post("/api/environments/antique/repair")
    assert (begun.status_code, begun.json()["state"]) == (202, "running")
    job = ended(server, "antique")
    assert (job["state"], job["what"], job["error"]) == ("done", "repair", "")
    assert any("Successfully installed" in line for line in job["lines"])
    assert python.exists()

    gone = server.http.delete("/api/environments/antique")
    assert gone.json() == {"message": "The environment 'antique' is gone."}
    shown = server.get("/api/environments/antique")
    assert (shown["state"], shown["size"], shown["job"]) == ("not made", 0, None)
    assert server.http.delete("/api/environments/antique").status_code == 404

    assert server.http.post("/api/environments", json={"name": "antique"}).status_code == 202
    assert ended(server, "antique")["state"] == "done"
    assert server.get("/api/environments/antique")["state"] == "ready"
    assert server.answer("vase", "hello").startswith("1.0 with brittle 1.0")
    unknown = server.http.post("/api/environments", json={"name": "nobody"})
    assert unknown.status_code == 404
    assert "Those that are: antique" in unknown.json()["error"]["message"]


def test_a_making_that_fails_tells_its_reason(server, isolated, environment):
    server.http.post("/api/models/vase/unload")
    (kept,) = environment.shelf.glob("jackfield_sample_brittle-1.0*")
    aside = kept.rename(environment.folder / kept.name)
    try:
        server.http.post("/api/environments/antique/repair")
        job = ended(server, "antique")
    finally:
        aside.rename(kept)
    assert job["state"] == "failed"
    assert f"pip failed on '{BRITTLE}==1.0'" in job["error"]
    assert server.get("/api/environments/antique")["state"] == "half made"
    assert server.answer("vase", "hello").startswith("1.0 with brittle 1.0")


def test_an_upgrade_stays_isolated_and_makes_its_environment_anew(server, isolated, environment):
    newer = old_loader(environment.shelf, version="1.1")
    server.http.post("/api/models/vase/unload")
    mixed = server.http.post("/api/plugins", json={"spec": str(newer)})
    assert "is installed isolated" in refused(mixed)
    sent = {"spec": str(newer), "isolated": True}
    assert server.http.post("/api/plugins", json=sent).status_code == 201
    assert server.answer("vase", "hello") == "1.1 with brittle 1.0, server's packages False"


def test_uninstalling_takes_the_environment_with_it(server, isolated):
    server.http.post("/api/models/vase/unload")
    gone = server.http.delete("/api/plugins/antique")
    assert gone.status_code == 200, gone.text
    assert "and the environment antique" in gone.json()["message"]
    assert "antique" not in {one["name"] for one in server.get("/api/environments")}
    assert server.http.get("/api/plugins/antique").status_code == 404
