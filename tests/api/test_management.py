"""``/api``, ``/health``, ``/metrics`` and the documentation."""

import re
import time

import pytest


def test_everything_that_can_be_loaded_is_listed(parrot):
    found = list(parrot.openai.models.list())
    assert [one.id for one in found] == ["parrot"]
    assert parrot.openai.models.retrieve("PARROT").id == "parrot"
    assert found[0].jackfield["format"] == "fake"


def test_a_model_is_loaded_estimated_and_unloaded_with_proof(start_server):
    with start_server(heavy={"memory": 80_000_000}) as server:
        http = server.http
        estimate = http.post("/api/models/heavy/estimate", json={"options": {"n_ctx": 100}}).json()
        assert estimate["needed"]["weights"] == 80_000_000
        assert estimate["needed"]["kv_cache"] == 100_000
        assert estimate["total"] > 80_000_000 and estimate["free"]["cpu"] > 0
        assert estimate["by_device"] == {"cpu": estimate["total"]}
        assert (estimate["loader"], estimate["loader_reason"]) == ("fake", "a fake model")
        assert (estimate["outcome"], estimate["refusal"]) == ("fits", "")
        loaded = http.post("/api/models/heavy/load?wait=true", json={"options": {"n_ctx": 100}})
        assert loaded.json()["state"] == "ready"
        assert loaded.json()["info"]["context_length"] == 100
        assert loaded.json()["memory"] > 80_000_000
        assert [one["model"] for one in http.get("/api/residents").json()] == ["heavy"]
        assert http.get("/health").json()["models"] == ["heavy"]
        assert http.get("/api/models/heavy").json()["resident"]["state"] == "ready"
        assert http.delete("/api/models/heavy").status_code == 400
        report = http.post("/api/models/heavy/unload").json()
        assert report["freed"] > 80_000_000
        assert report["before"] - report["after"] == report["freed"]
        assert http.get("/api/residents").json() == []


def test_loading_in_the_background_answers_at_once(start_server):
    with start_server(late={"load_delay": 1.0}) as server:
        assert server.http.post("/api/models/late/load").json()["state"] == "loading"
        deadline = time.monotonic() + 30
        while server.http.get("/api/models/late").json()["resident"]["state"] != "ready":
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_what_does_not_fit_is_refused_with_the_numbers_unless_forced(start_server):
    with start_server(heavy={"memory": 200_000_000}) as server:
        http = server.http
        http.patch(
            "/api/settings", json={"values": {"engine.memory_budget_gb": 0.1}}
        ).raise_for_status()
        estimate = http.post("/api/models/heavy/estimate").json()
        assert estimate["outcome"] == "refused" and "100.0 MB" in estimate["refusal"]
        refused = http.post("/api/models/heavy/load?wait=true")
        assert not refused.is_success
        assert "244.1 MB of main memory" in refused.json()["error"]["message"]
        assert http.get("/api/residents").json() == []
        loaded = http.post("/api/models/heavy/load?wait=true", json={"force": True}).json()
        assert loaded["state"] == "ready" and loaded["forced"]
        assert loaded["needed"]["cpu"] > 200_000_000 and loaded["reasons"] == []


def test_wrong_load_options_are_refused_by_name(parrot):
    answer = parrot.http.post("/api/models/parrot/load?wait=true", json={"options": {"n_ctx": -1}})
    assert answer.status_code == 400
    assert "n_ctx" in answer.json()["error"]["message"]


def test_loaders_describe_their_options(parrot):
    (loader,) = parrot.http.get("/api/loaders").json()
    assert loader["name"] == "fake"
    assert loader["options"]["properties"]["n_ctx"]["maximum"] == 1_000_000


def test_a_models_files_are_deleted(start_server):
    with start_server(parrot={}, other={}) as server:
        assert server.http.delete("/api/models/other").json() == {"done": True}
        assert [one["name"] for one in server.http.get("/api/models").json()] == ["parrot"]
        assert server.http.delete("/api/models/other").status_code == 404


def test_sources_and_downloads_are_listed(start_server):
    from jackfield_plugins.packages import Packages

    with start_server(Packages) as server:
        (source,) = server.http.get("/api/sources").json()
        assert "smollm2" in [one["name"] for one in source["offers"]]
        assert server.http.get("/api/downloads").json() == []
        assert server.http.get("/api/downloads/nothing").status_code == 404
        unknown = server.http.post("/api/downloads", json={"offer": "no such model"})
        assert unknown.status_code == 404


def test_text_becomes_tokens_and_text_again(parrot):
    text = "one two\nthree"
    tokens = parrot.http.post("/api/tokenize", json={"model": "parrot", "text": text}).json()
    count = parrot.http.post("/api/count", json={"model": "parrot", "text": text}).json()
    assert count["count"] == tokens["count"] == len(tokens["tokens"])
    back = parrot.http.post("/api/detokenize", json={"model": "parrot", "tokens": tokens["tokens"]})
    assert back.json() == {"text": text}


def test_the_prompt_of_a_conversation_is_shown(parrot):
    sent = {"model": "parrot", "messages": [{"role": "user", "content": "hello"}]}
    shown = parrot.http.post("/api/render", json=sent).json()
    assert shown["prompt"] == "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    assert shown["template"] == "model"
    assert 0 < shown["count"] < shown["context_length"] == 4096


def test_conversations_are_made_renamed_deleted_restored_and_moved(parrot):
    http = parrot.http
    made = http.post("/api/conversations", json={"title": "Tea", "model": "parrot"}).json()
    path = f"/api/conversations/{made['id']}"
    assert http.patch(path, json={"title": "Coffee"}).json()["title"] == "Coffee"
    assert http.get(path).json()["path"] == []
    assert made["id"] in [one["id"] for one in http.get("/api/conversations").json()]
    assert http.delete(path).json()["deleted"] is True
    assert made["id"] not in [one["id"] for one in http.get("/api/conversations").json()]
    assert http.post(f"{path}/restore").json()["deleted"] is False
    exported = http.get(f"{path}/export")
    assert "attachment" in exported.headers["content-disposition"]
    headers = {"Content-Type": "application/json"}
    copy = http.post("/api/conversations/import", content=exported.content, headers=headers)
    assert copy.status_code == 201
    assert copy.json()["title"] == "Coffee" and copy.json()["id"] != made["id"]
    assert http.get("/api/conversations?search=cof").json()
    assert http.get("/api/conversations/nothing").status_code == 404
    assert http.post("/api/conversations/import", content=b"{}", headers=headers).is_client_error


def test_a_conversations_messages_keep_the_kind_of_their_parts(parrot):
    from jackfield.messages import message

    conversations = parrot.app.conversations
    made = conversations.create(title="With messages")
    conversations.add(made.id, None, message("user", "hello"))
    (node,) = parrot.http.get(f"/api/conversations/{made.id}").json()["path"]
    assert node["message"]["role"] == "user"
    assert node["message"]["parts"] == [{"type": "text", "text": "hello"}]


def test_settings_are_read_and_changed_all_or_none(parrot):
    http = parrot.http
    changed = http.patch("/api/settings", json={"values": {"engine.idle_minutes": 5}}).json()
    assert changed["settings"]["engine"]["idle_minutes"] == 5
    both = {"engine.idle_minutes": 7, "server.port": 99_999_999}
    refused = http.patch("/api/settings", json={"values": both})
    assert refused.status_code == 400
    assert "server.port" in refused.json()["error"]["message"]
    assert http.get("/api/settings").json()["settings"]["engine"]["idle_minutes"] == 5
    back = http.patch("/api/settings", json={"values": {"engine.idle_minutes": None}}).json()
    assert back["settings"]["engine"]["idle_minutes"] == 0
    assert "engine" in http.get("/api/settings/schema").json()["properties"]


def test_every_sampling_parameter_is_described(parrot):
    fields = parrot.http.get("/api/sampling").json()["fields"]["properties"]
    assert fields["temperature"]["maximum"] == 5
    assert fields["min_p"]["neutral"] == 0


def test_requests_tokens_and_residents_are_measured(start_server):
    with start_server(parrot={}) as server:
        server.chat("one two three")
        list(server.chat("one two", stream=True))
        text = server.http.get("/metrics").text
    values = dict(re.findall(r"^(jackfield_\w+\{[^}]*\}) (\S+)$", text, re.MULTILINE))
    assert values['jackfield_tokens_total{kind="completion",model="parrot"}'] == "5.0"
    route = 'method="POST",route="/v1/chat/completions",status="200"'
    assert values[f"jackfield_requests_total{{{route}}}"] == "2.0"
    assert values['jackfield_model_ready{model="parrot"}'] == "1.0"
    assert float(values['jackfield_model_memory_bytes{model="parrot"}']) > 1_000_000


def test_the_documentation_asks_nothing_of_other_servers(parrot):
    page = parrot.http.get("/docs")
    assert page.status_code == 200
    assert not re.findall(r"(?:https?:)?//[a-z]", page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert parrot.http.get(f"/{asset}").status_code == 200


def test_the_openapi_document_describes_every_answer(parrot):
    document = parrot.http.get("/openapi.json").json()
    without = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            good = next(
                operation["responses"][one]
                for one in ("200", "201", "202")
                if one in operation["responses"]
            )
            schema = good.get("content", {}).get("application/json", {}).get("schema")
            if not schema:
                without.append(f"{method} {path}")
            assert operation.get("description"), f"{method} {path}"
    assert without == ["get /api/conversations/{conversation}/export", "get /metrics"]
    trace = document["components"]["schemas"]["Trace"]["properties"]
    assert trace["dropped"]["description"].startswith("in words")


def test_the_document_for_the_page_has_nothing_that_openapi_30_lacks(parrot):
    older = parrot.http.get("/docs/openapi.json").json()
    assert older["openapi"] == "3.0.3"
    assert "'null'" not in str(older) and "'const'" not in str(older)


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/api/models", "/metrics"])
def test_reading_needs_no_body(parrot, path):
    assert parrot.http.get(path).status_code == 200


def test_a_model_whose_name_has_slashes_is_managed_as_any_other(start_server):
    with start_server(parrot={}) as server:
        http, place = server.http, "/api/models/team%2Fparrot"
        variant = {"team/parrot": {"variant_of": "parrot"}}
        http.patch("/api/settings", json={"values": {"models": variant}}).raise_for_status()
        assert http.get(place).json()["name"] == "team/parrot"
        assert http.get(f"{place}/settings").status_code == 200
        assert http.post(f"{place}/estimate").json()["loader"] == "fake"
        assert http.post(f"{place}/load?wait=true").json()["state"] == "ready"
        assert http.post(f"{place}/unload").json()["freed"] > 0
