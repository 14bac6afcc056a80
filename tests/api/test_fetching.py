"""Models found and fetched over HTTP, from a local Hub."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api_server import Server, fake_server
from hub_downloads import FILE, HERE, NAME, SIZE
from hub_server import PIECE, HubServer, Misbehaviour, Repository, sha256
from jackfield.paths import Paths
from jackfield_loaders.gguf import Gguf
from jackfield_plugins.hub import Hub
from jackfield_plugins.links import Links

HELD = 300 * PIECE


@pytest.fixture
def hub(smollm2: Path) -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.repositories[NAME] = Repository({FILE: smollm2}, gated="manual")
        yield hub


@pytest.fixture
def server(paths: Paths, hub: HubServer) -> Iterator[Server]:
    with fake_server(paths.home, Gguf, Hub, Links) as server:
        server.app.plugins.configure("hub", {"endpoint": hub.url, "token": "hf_right"})
        yield server


def get(server: Server, path: str, **query: str) -> Any:
    answer = server.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert "hf_right" not in answer.text
    return answer.json()


def post(server: Server, path: str, **body: str) -> Any:
    answer = server.http.post(path, json=body or None)
    assert answer.is_success, answer.text
    return answer.json()


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def test_a_model_is_searched_chosen_paused_resumed_and_answers_for_itself(
    server: Server, hub: HubServer, paths: Paths, smollm2: Path
):
    found = {one["source"]: one for one in get(server, "/api/search", q="smollm2")}
    (offer,) = found["hub"]["offers"]
    assert (offer["title"], offer["gated"], found["links"]["offers"]) == (NAME, True, [])
    (variant,) = get(server, "/api/offers", reference=offer["reference"])
    assert (variant["source"], variant["offer"]["size"]) == ("hub", SIZE)
    assert variant["offer"]["files"][0]["sha256"] == sha256(smollm2)
    hub.wrong = Misbehaviour(hold_at=HELD)
    job = post(server, "/api/downloads", reference=variant["offer"]["reference"])
    path = f"/api/downloads/{job['id']}"
    until(lambda: get(server, path)["done"] == HELD)
    post(server, f"{path}/pause")
    until(lambda: get(server, path)["state"] == "paused")
    hub.wrong = Misbehaviour()
    assert post(server, f"{path}/resume")["id"] == job["id"]
    until(lambda: get(server, path)["state"] == "done")
    assert hub.served == SIZE
    shown = {one["name"]: one for one in get(server, "/api/models")}
    assert shown[HERE]["source"] == "hub"
    assert [one["state"] for one in get(server, "/api/downloads")] == ["done"]
    assert server.http.delete(path).json()["model"] == HERE
    assert get(server, "/api/downloads") == []


def test_a_download_is_cancelled_and_nothing_is_left(server: Server, hub: HubServer, paths: Paths):
    hub.wrong = Misbehaviour(hold_at=HELD)
    job = post(server, "/api/downloads", reference=NAME, name="mine")
    path = f"/api/downloads/{job['id']}"
    until(lambda: get(server, path)["done"] == HELD)
    assert server.http.delete(path).status_code == 400
    post(server, f"{path}/cancel")
    until(lambda: get(server, path)["state"] == "cancelled")
    assert not list(paths.models.rglob("*.gguf*"))
    assert server.http.post(f"{path}/resume").status_code == 400


def test_what_cannot_be_had_says_why(server: Server, hub: HubServer):
    for sent, status, words in (
        ({}, 400, "'reference' says what to fetch"),
        ({"reference": "owner/nothing-like-it"}, 404, "no model 'owner/nothing-like-it'"),
        ({"reference": NAME, "name": "../evil"}, 400, "cannot be called '../evil'"),
        ({"reference": NAME, "source": "attic"}, 404, "no source 'attic'"),
        ({"reference": "http://x.example/page"}, 400, "not the address of a .gguf file"),
    ):
        answer = server.http.post("/api/downloads", json=sent)
        assert (answer.status_code, words in answer.json()["error"]["message"]) == (status, True)
    server.app.plugins.configure("hub", {"token": None})
    job = post(server, "/api/downloads", reference=NAME)
    until(lambda: get(server, f"/api/downloads/{job['id']}")["state"] == "failed")
    failed = get(server, f"/api/downloads/{job['id']}")
    assert "not open to everybody" in failed["error"]
    assert f"{hub.url}/{NAME}" in failed["hint"]
    assert failed["kept"] is False


def test_sources_say_whether_their_downloads_can_be_paused(server: Server):
    listed = {one["name"]: one for one in get(server, "/api/sources")}
    assert listed["hub"]["resumes"] and listed["links"]["resumes"]
    assert listed["hub"]["title"] == "Hugging Face Hub"
