"""What a server does with files, names, bodies and prompts that are not what they should be."""

import json
from urllib.parse import quote

import openai
import pytest

from installation import Installation
from jackfield.testing import fake_model

SECRET = "the-word-that-must-not-come-out"
ASKED = {"messages": [{"role": "user", "content": "hello"}]}
CLIMBING = (
    "../../etc/passwd",
    "..",
    "../secret",
    "....//secret",
    "/etc/passwd",
    "..\\..\\secret",
    "%2e%2e/secret",
    "file:///etc/passwd",
    "secret\x00.gguf",
)
ROUTES = (
    ("GET", "/api/models/{}", None),
    ("DELETE", "/api/models/{}", None),
    ("POST", "/api/models/{}/load?wait=true", {}),
    ("POST", "/api/models/{}/unload", None),
    ("POST", "/api/models/{}/estimate", {}),
    ("GET", "/v1/models/{}", None),
    ("GET", "/api/plugins/{}", None),
    ("DELETE", "/api/plugins/{}", None),
    ("POST", "/api/plugins/{}/enable", None),
    ("POST", "/api/plugins/{}/disable", None),
    ("PATCH", "/api/plugins/{}/config", {}),
    ("GET", "/api/plugins/{}/anything", None),
    ("GET", "/api/environments/{}", None),
    ("POST", "/api/environments/{}/repair", None),
    ("DELETE", "/api/environments/{}", None),
    ("GET", "/api/conversations/{}", None),
    ("DELETE", "/api/conversations/{}", None),
    ("GET", "/api/conversations/{}/export", None),
    ("GET", "/api/downloads/{}", None),
    ("POST", "/api/downloads/{}/cancel", None),
    ("GET", "/api/traces/{}", None),
    ("GET", "/docs/{}", None),
)
BODIES = (
    ("/v1/chat/completions", lambda name: {**ASKED, "model": name}),
    ("/v1/completions", lambda name: {"prompt": "hello", "model": name}),
    ("/v1/chat/completions", lambda name: {**ASKED, "model": "parrot", "template": name}),
    ("/v1/chat/completions", lambda name: {**ASKED, "model": "parrot", "preset": name}),
    (
        "/v1/chat/completions",
        lambda name: {**ASKED, "model": "parrot", "plugins": {"on": [name]}},
    ),
    ("/api/tokenize", lambda name: {"text": "hello", "model": name}),
    ("/api/models/parrot/load", lambda name: {"loader": name}),
    ("/api/environments", lambda name: {"name": name}),
    ("/api/downloads", lambda name: {"offer": name}),
    ("/api/downloads", lambda name: {"offer": "smollm2", "source": name}),
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory, smollm2):
    folder = tmp_path_factory.mktemp("data")
    (folder / "secret").write_text(SECRET)
    (folder / "secret.fake").write_text(SECRET)
    made = Installation(folder / "home")
    made.add_fake_loader()
    with smollm2.open("rb") as file:
        (made.paths.models / "truncated.gguf").write_bytes(file.read(60_000))
    (made.paths.models / "letter.gguf").write_text("Dear reader,\nthis is not a model.\n")
    (made.paths.models / "empty.gguf").touch()
    (made.paths.models / "folder.gguf").mkdir()
    (made.paths.models / "gone.gguf").symlink_to(folder / "nowhere.gguf")
    (made.paths.models / "odd.fake").write_text("{not json")
    fake_model(made.paths.models, "parrot")
    return made


@pytest.fixture(scope="module")
def server(installation):
    with installation.serving() as server:
        yield server


@pytest.mark.parametrize("name", ["truncated", "letter", "empty"])
def test_a_file_that_is_no_model_is_listed_with_its_error_and_refused(server, name):
    listed = {one["name"]: one for one in server.get("/api/models")}
    assert f"{name}.gguf" in listed[name]["error"]
    assert listed[name]["loader"] == ""
    for path, body in (
        ("/v1/chat/completions", {**ASKED, "model": name}),
        (f"/api/models/{name}/load?wait=true", {}),
        (f"/api/models/{name}/load", {}),
        (f"/api/models/{name}/estimate", {}),
    ):
        answer = server.http.post(path, json=body)
        assert answer.status_code == 422, answer.text
        assert f"{name}.gguf" in answer.json()["error"]["message"]
    assert server.answer("parrot", "hello") == "hello"


def test_the_command_line_lists_bad_files_with_their_errors(installation):
    told = installation.run("models", "list", "--json")
    listed = {one["name"]: one for one in json.loads(told.stdout)}
    for name in ("truncated", "letter", "empty"):
        assert listed[name]["error"]
    assert listed["parrot"]["error"] == ""
    refused = installation.run("run", "truncated", "hello")
    assert refused.returncode == 1
    assert "truncated.gguf" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_other_oddities_in_the_models_folder_disturb_nobody(server):
    listed = {one["name"] for one in server.get("/api/models")}
    assert "parrot" in listed
    answer = server.http.post("/v1/chat/completions", json={**ASKED, "model": "odd"})
    assert 400 <= answer.status_code < 504
    assert "odd" in answer.json()["error"]["message"]
    assert server.answer("parrot", "hello") == "hello"


@pytest.mark.parametrize("name", CLIMBING)
def test_a_name_that_leads_out_of_the_folders_finds_nothing(server, name):
    for method, path, body in ROUTES:
        for written in (quote(name, safe=""), quote(name)):
            answer = server.http.request(method, path.format(written), json=body)
            if answer.is_redirect or answer.headers.get("content-type", "").startswith("text/html"):
                assert SECRET not in answer.text  # shortened by the client: the dashboard's now
                continue
            assert 400 <= answer.status_code < 500, (method, path, answer.status_code)
            assert SECRET not in answer.text and "root:" not in answer.text
    for path, made in BODIES:
        answer = server.http.post(path, json=made(name))
        assert 400 <= answer.status_code < 500, (path, made(name), answer.status_code)
        assert SECRET not in answer.text and "root:" not in answer.text


def test_an_imported_chat_cannot_choose_where_it_is_kept(server, installation):
    chat = server.http.post("/api/conversations", json={"title": "a"}).json()
    exported = server.http.get(f"/api/conversations/{chat['id']}/export").json()
    exported["conversation"]["id"] = "../../evil"
    imported = server.http.post("/api/conversations/import", json=exported)
    assert imported.status_code == 201
    assert imported.json()["id"].isalnum()
    assert not list(installation.paths.home.parent.rglob("*evil*"))


@pytest.mark.parametrize(
    "body", [b"{", b"[1, 2]", b"null", b'"text"', b"\xff\xfe", b"", b"[" * 9000]
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/api/tokenize"])
def test_a_body_that_is_not_a_json_object_is_400(server, path, body):
    headers = {"Content-Type": "application/json"}
    answer = server.http.post(path, content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"conversation": 3}', b"\xff", b""])
def test_an_import_that_is_no_chat_is_400(server, body):
    answer = server.http.post("/api/conversations/import", content=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]


def test_a_body_of_forty_megabytes_is_413_and_the_server_goes_on(server):
    sent = {"model": "parrot", "messages": [{"role": "user", "content": "x" * 40_000_000}]}
    for path in ("/v1/chat/completions", "/api/conversations/import", "/api/tokenize"):
        answer = server.http.post(path, json=sent)
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "body_too_large"
    assert server.answer("parrot", "hello") == "hello"


def test_an_empty_prompt_is_refused_or_answered_but_never_an_error_of_ours(server):
    for path, body in (
        ("/v1/chat/completions", {"messages": []}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": ""}]}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": []}]}),
        ("/v1/chat/completions", {"messages": [{"role": "user"}]}),
        ("/v1/completions", {"prompt": ""}),
        ("/v1/completions", {"prompt": []}),
        ("/v1/completions", {"prompt": [[]]}),
    ):
        answer = server.http.post(path, json={"model": "parrot", **body})
        assert answer.status_code in (200, 400), (body, answer.text)
    nothing = server.http.post("/v1/chat/completions", json={"model": "parrot", "messages": []})
    assert nothing.status_code == 400
    assert "messages" in nothing.json()["error"]["message"]


def test_a_prompt_over_the_context_is_refused_with_both_numbers(server):
    with pytest.raises(openai.BadRequestError) as caught:
        server.chat("parrot", "word " * 5000)
    assert caught.value.code == "context_length_exceeded"
    details = caught.value.body["details"]
    assert details["limit"] == 4096 and details["tokens"] > 5000
    assert "4096" in caught.value.message and str(details["tokens"]) in caught.value.message
    with pytest.raises(openai.BadRequestError) as caught:
        server.openai.completions.create(model="parrot", prompt="word " * 5000)
    assert caught.value.code == "context_length_exceeded"


def test_the_log_holds_no_traceback_after_all_this(server):
    """Last in this module: whatever was sent, nothing was a defect."""
    server.answer("parrot", "hello")
    log = (server.paths.logs / "server.log").read_text()
    assert "Traceback" not in log
    assert "Traceback" not in server.errors
