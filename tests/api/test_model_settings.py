"""``/api/models/{model}/settings`` and ``/adapters``, and that requests use what is saved."""

import concurrent.futures
import os
import signal
import time

import pytest

from jackfield.testing import fake_adapter

PARROT = {"lora": True}


def error(answer):
    assert not answer.is_success, answer.text
    return answer.json()["error"]


@pytest.fixture
def server(start_server, paths):
    fake_adapter(paths.adapters, "pirate", says="Arr! ")
    with start_server(parrot=PARROT, owl={}) as server:
        yield server


def test_settings_are_read_changed_replaced_and_forgotten(server):
    http, path = server.http, "/api/models/parrot/settings"
    empty = http.get(path).json()
    assert (empty["model"], empty["automatic_loader"]) == ("parrot", "fake")
    assert empty["automatic_reason"] == "a fake model"
    changed = http.patch(path, json={"alias": "polly", "sampling": {"top_k": 5}}).json()
    assert changed["settings"]["sampling"] == {"top_k": 5}
    changed = http.patch("/api/models/polly/settings", json={"sampling": {"top_k": None}}).json()
    assert (changed["settings"]["alias"], changed["settings"]["sampling"]) == ("polly", {})
    replaced = http.put("/api/models/polly/settings", json={"loader": "fake"}).json()
    assert (replaced["model"], replaced["settings"]["alias"]) == ("parrot", "")
    http.patch(path, json={"alias": "polly"}).raise_for_status()
    assert http.delete("/api/models/polly/settings").json() == empty
    assert http.get("/api/models/parot/settings").status_code == 404


def test_what_is_wrong_is_told_by_field_and_changes_nothing(server):
    sent = {"alias": "owl", "options": {"n_ctx": -1}, "sampling": {"heat": 1}}
    refused = error(server.http.patch("/api/models/parrot/settings", json=sent))
    assert set(refused["details"]["errors"]) == {"alias", "options.n_ctx", "sampling.heat"}
    assert refused["hint"]
    assert error(server.http.put("/api/models/parrot/settings", json={"options": 3}))
    assert server.app.settings.value.models == {}


def test_the_documentation_describes_the_routes(server):
    found = server.http.get("/openapi.json").json()
    assert {"get", "put", "patch", "delete"} <= set(found["paths"]["/api/models/{model}/settings"])
    assert {"get", "put"} <= set(found["paths"]["/api/models/{model}/adapters"])
    assert "AdapterSettings" in found["components"]["schemas"]


def test_a_request_uses_what_is_saved_at_once_and_the_next_load_the_rest(server):
    http = server.http
    assert server.chat("hello").choices[0].message.content == "hello"
    saved = {
        "alias": "polly",
        "loader": "fake",
        "options": {"answer": "upper case"},
        "template": "model",
        "system_prompt": "You are a parrot.",
        "sampling": {"max_tokens": 2},
        "adapters": [{"path": "pirate"}],
    }
    http.put("/api/models/parrot/settings", json=saved).raise_for_status()
    reply = server.chat("one two three four", model="polly")
    assert reply.usage.completion_tokens == 2
    assert reply.choices[0].finish_reason == "length"
    trace = http.get(f"/api/traces/{reply.jackfield['turn']}").json()
    assert "You are a parrot." in trace["prompt"]
    http.post("/api/models/polly/unload").raise_for_status()
    reply = server.chat("one two", model="polly", max_tokens=20)
    assert reply.choices[0].message.content == "ARR! ONE TWO"
    assert server.resident().loader == "fake"


def test_adapters_are_attached_and_detached_without_a_reload(server):
    http, path = server.http, "/api/models/parrot/adapters"
    (listed,) = http.get("/api/adapters").json()
    assert (listed["name"], listed["base"]) == ("pirate", "fake")
    assert "is not loaded" in error(http.get(path))["message"]
    assert "is not loaded" in error(http.put(path, json={"adapters": []}))["message"]
    assert server.chat("ahoy").choices[0].message.content == "ahoy"
    pid = server.resident().pid
    attached = http.put(path, json={"adapters": [{"path": "pirate", "scale": 2}]}).json()
    assert attached["adapters"][0]["scale"] == 2
    assert http.get(path).json() == attached
    assert server.chat("ahoy").choices[0].message.content == "Arr! Arr! ahoy"
    missing = error(http.put(path, json={"adapters": [{"path": "nil"}]}))
    assert "no LoRA adapter 'nil'" in missing["message"] and "pirate" in missing["hint"]
    assert http.get(path).json() == attached
    assert http.put(path, json={"adapters": []}).json()["adapters"] == []
    assert server.chat("ahoy").choices[0].message.content == "ahoy"
    assert server.resident().pid == pid


def test_a_model_that_takes_no_adapters_refuses_them_and_goes_on(server):
    assert server.chat("hoo", model="owl").choices[0].message.content == "hoo"
    refused = error(server.http.put("/api/models/owl/adapters", json={"adapters": []}))
    assert "takes no LoRA adapters" in refused["message"]
    assert server.chat("hoo", model="owl").choices[0].message.content == "hoo"


def test_adapters_stay_after_a_crash_and_go_with_an_unload(server):
    http, path = server.http, "/api/models/parrot/adapters"
    server.chat("ahoy")
    http.put(path, json={"adapters": [{"path": "pirate"}]}).raise_for_status()
    os.kill(server.resident().pid, signal.SIGKILL)
    end = time.monotonic() + 30
    while server.resident().state == "ready":
        assert time.monotonic() < end
        time.sleep(0.02)
    assert server.chat("ahoy").choices[0].message.content == "Arr! ahoy"
    http.post("/api/models/parrot/unload").raise_for_status()
    assert server.chat("ahoy").choices[0].message.content == "ahoy"


def test_a_saved_adapter_that_cannot_be_attached_fails_the_load_and_leaves_no_process(server):
    saved = {"adapters": [{"path": "pirate"}]}
    server.http.patch("/api/models/owl/settings", json=saved).raise_for_status()
    failed = error(server.http.post("/api/models/owl/load?wait=true"))
    assert "LoRA adapters cannot be attached" in failed["message"]
    assert "--unset adapters" in failed["hint"]
    assert server.resident("owl").pid is None
    server.http.patch("/api/models/owl/settings", json={"adapters": None}).raise_for_status()
    assert server.http.post("/api/models/owl/load?wait=true").json()["state"] == "ready"


def test_adapters_wait_for_nobody_and_disturb_no_reply(start_server, paths):
    fake_adapter(paths.adapters, "pirate", says="Arr! ")
    with start_server(parrot=PARROT | {"delay": 0.05}) as server:
        server.chat("a")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = pool.submit(server.chat, "one two three four five six seven eight")
            while not server.resident().active:
                time.sleep(0.01)
            sent = {"adapters": [{"path": "pirate"}]}
            server.http.put("/api/models/parrot/adapters", json=sent).raise_for_status()
            assert running.result().choices[0].message.content.startswith("one two")
        assert server.chat("a").choices[0].message.content == "Arr! a"
