"""The doors to collections: API, command line, page and the part beside the input box."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi import FastAPI
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from jackfield import Routes
from jackfield.api.errors import add_error_handlers
from jackfield.dashboard.current import attach
from jackfield_plugins.knowledge.jobs import Job
from knowledge_bench import PATIENCE, Bench, ended, running, write_texts

ROOT = "/api/collections"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with running(tmp_path / "home") as made:
        attach(made.app)
        yield made


@pytest.fixture
def client(bench: Bench) -> Iterator[TestClient]:
    ((_, given),) = bench.app.plugins.routes()
    assert isinstance(given, Routes)
    assert given.paths == (ROOT,)
    api = FastAPI()
    api.include_router(given.router)
    add_error_handlers(api)
    with TestClient(api, raise_server_exceptions=False) as made:
        yield made


def finished(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE
    while job["state"] in ("waiting", "running"):
        assert time.monotonic() < until, job
        time.sleep(0.02)
        job = client.get(f"{ROOT}/jobs/{job['id']}").json()
    return job


def test_a_collection_is_made_filled_searched_and_deleted_over_the_api(
    client: TestClient, tmp_path: Path
) -> None:
    body = {"name": "my notes", "model": "small", "chunk_tokens": 40}
    assert client.post(ROOT, json=body).status_code == 201
    folder = write_texts(tmp_path / "texts")
    adding = client.post(f"{ROOT}/my notes/documents", json={"folder": str(folder), "watch": False})
    assert adding.status_code == 202
    assert finished(client, adding.json())["result"]["added"] == 3
    sent = [("file", ("a.txt", b"Wolves hunt in packs.")), ("file", ("b.txt", b"Owls see well."))]
    job = client.post(f"{ROOT}/my notes/documents", files=sent).json()
    assert finished(client, job)["result"]["added"] == 2
    job = client.post(f"{ROOT}/my notes/documents", json={"text": "Ants carry leaves."}).json()
    assert finished(client, job)["state"] == "done"
    job = client.post(f"{ROOT}/my notes/documents", json={"url": "https://example.org/moon"}).json()
    assert finished(client, job)["state"] == "done"
    found = client.post(f"{ROOT}/search", json={"query": "what do wolves do?", "k": 2}).json()
    assert found["hits"][0]["title"] == "a.txt"
    assert found["hits"][0]["uri"].startswith("/knowledge?collection=my+notes&document=")
    documents = client.get(f"{ROOT}/my notes/documents").json()
    assert len(documents) == 7
    number = next(one["id"] for one in documents if one["title"] == "a.txt")
    shown = client.get(f"{ROOT}/my notes/documents/{number}").json()
    assert shown["passages"][0]["text"] == "Wolves hunt in packs."
    assert client.delete(f"{ROOT}/my notes/documents/{number}").status_code == 200
    assert client.get(f"{ROOT}/my notes/documents/{number}").status_code == 404
    assert client.delete(f"{ROOT}/my notes").status_code == 200
    assert client.get(ROOT).json() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", None, 404),
        ("POST", "", {"name": "x", "model": "fake-model"}, 400),
        ("POST", "/notes/documents", {}, 400),
        ("POST", "/notes/documents", {"url": "https://a", "text": "b"}, 400),
        ("POST", "/notes/documents", {"path": "/nowhere"}, 400),
        ("POST", "/notes/documents", {"wrong": 1}, 400),
        ("POST", "/search", {"query": "", "collections": ["notes"]}, 400),
        ("POST", "/search", {"query": "x", "collections": ["nowhere"]}, 404),
        ("POST", "/search", {"query": "x", "mode": "magic"}, 400),
        ("PUT", "/notes/questions", [{"question": "what?"}], 400),
        ("PATCH", "/notes", {"chunk_tokens": 40, "overlap": 30}, 400),
        ("GET", "/jobs/none", None, 404),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(
    bench: Bench, client: TestClient, method: str, path: str, body: object, status: int
) -> None:
    bench.create()
    answer = client.request(method, ROOT + path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_an_empty_upload_is_refused(bench: Bench, client: TestClient) -> None:
    bench.create()
    answer = client.post(f"{ROOT}/notes/documents", files={"other": ("a.txt", b"x")})
    assert (answer.status_code, "No file was sent" in answer.text) == (400, True)


def test_questions_are_kept_and_measured_over_the_api(bench: Bench, client: TestClient) -> None:
    bench.create()
    ended(bench.library.text("notes", "Owls", "Owls see well at night."))
    asked = [{"question": "who sees at night?", "document": "Owls", "snippet": ""}]
    assert client.put(f"{ROOT}/notes/questions", json=asked).json() == {"questions": 1}
    assert client.get(f"{ROOT}/notes/questions").json() == asked
    job = finished(client, client.post(f"{ROOT}/notes/measure", json={}).json())
    assert [row["setting"] for row in job["result"]["rows"]] == ["vectors", "bm25", "fused"]
    assert job["result"]["rows"][0]["recall@1"] == 1.0


def command(bench: Bench, *words: str) -> None:
    cli = typer.Typer()
    cli.callback()(lambda: None)
    bench.app.plugins.commands(cli, bench.app)
    cli(["knowledge", *words], standalone_mode=False)


@pytest.fixture
def direct(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The commands use the application that runs, as if they had started it."""
    import contextlib

    monkeypatch.setattr(bench.app, "in_thread", lambda: contextlib.nullcontext(bench.app))
    return bench


def test_the_commands_make_fill_search_measure_and_remove(
    direct: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_texts(tmp_path / "texts")
    command(direct, "create", "notes", "--model", "small", "--chunk-tokens", "40")
    command(direct, "add", "notes", str(folder), "--no-watch")
    capsys.readouterr()
    command(direct, "list", "--json")
    assert json.loads(capsys.readouterr().out)[0]["documents"] == 3
    command(direct, "list", "notes")
    assert "bread.md" in capsys.readouterr().out
    command(direct, "search", "how long does a loaf bake", "--in", "notes", "--json")
    assert json.loads(capsys.readouterr().out)["hits"][0]["title"] == "bread.md"
    questions = tmp_path / "questions.csv"
    questions.write_text("question,document\nhow long does a loaf bake?,bread.md\n")
    command(direct, "measure", "notes", "--questions", str(questions))
    assert "recall@5" in capsys.readouterr().out
    command(direct, "remove", "notes", "--yes")
    command(direct, "list", "--json")
    assert json.loads(capsys.readouterr().out) == []


def test_the_commands_ask_the_server_that_runs(
    bench: Bench, client: TestClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A small server in this process stands for it; its address is in the data folder."""
    import threading

    import uvicorn
    from benchmarks.setting import free_port

    port = free_port()
    api = FastAPI()
    ((_, given),) = bench.app.plugins.routes()
    assert isinstance(given, Routes)
    api.include_router(given.router)
    add_error_handlers(api)
    server = uvicorn.Server(
        uvicorn.Config(api, port=port, log_level="error", ws="none", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    note = {"url": f"http://127.0.0.1:{port}", "admin_key": "k", "pid": os.getpid()}
    until = time.monotonic() + PATIENCE
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.01)
    bench.app.paths.server.write_text(json.dumps(note))
    try:
        folder = write_texts(tmp_path / "texts")
        command(bench, "create", "a b", "--model", "small", "--chunk-tokens", "40", "--overlap=0")
        command(bench, "add", "a b", str(folder), "--no-watch")
        capsys.readouterr()
        command(bench, "search", "loaf", "--json")
        assert json.loads(capsys.readouterr().out)["hits"][0]["title"] == "bread.md"
        with pytest.raises(Exception, match="no collection"):
            command(bench, "list", "nowhere")
    finally:
        server.should_exit = True
        thread.join(10)
        bench.app.paths.server.unlink()


def page(**state: object) -> AppTest:
    def script() -> None:
        from jackfield.dashboard.current import application

        app = application()
        ((_, shown),) = app.plugins.pages()
        shown.draw(app)

    test = AppTest.from_function(script, default_timeout=PATIENCE)
    for name, value in state.items():
        test.session_state[name.replace("_", "-")] = value
    test.run()
    assert not test.exception
    return test


def said(test: AppTest) -> str:
    kinds = ("markdown", "caption", "error", "warning", "info", "success", "subheader", "code")
    return "\n".join(one.value for kind in kinds for one in test.get(kind))


def press(test: AppTest, label: str) -> AppTest:
    next(one for one in test.button if one.label == label).click()
    test.run()
    assert not test.exception
    return test


def test_the_page_makes_a_first_collection_and_then_takes_documents(bench: Bench) -> None:
    test = page()
    assert "Make your first one" in said(test)
    press(test, "Create")
    assert "Give the collection a name." in said(test)
    test.text_input(key="knowledge-new-name").input("notes")
    test.slider(key="knowledge-new-tokens").set_value(64)
    press(test, "Create")
    assert "There is no document in this collection yet" in said(test)
    test.segmented_control(key="knowledge-way").set_value("Text").run()
    test.text_input(key="knowledge-title").input("Owls")
    test.text_area(key="knowledge-text").input("Owls see well at night.")
    press(test, "Add")
    for job in bench.library.jobs.of():
        ended(job)
    test.run()
    assert "1 added" in said(test)


def test_a_job_that_was_cancelled_says_so_while_it_still_works(bench: Bench) -> None:
    bench.create()
    go_on = threading.Event()

    def work(job: Job) -> dict[str, Any]:
        go_on.wait(PATIENCE)
        job.check()
        return {}

    job = bench.library.jobs.start(Job("index", "notes", "Index a folder"), work)
    test = page()
    press(test, "Cancel")
    test.run()  # the part with the jobs is drawn by itself, before the press is known
    assert [one.disabled for one in test.button if one.label == "Stopping"] == [True]
    go_on.set()
    assert ended(job).state == "cancelled"
    assert "cancelled; what was finished stays" in said(test.run())


def test_the_page_searches_and_opens_a_citation(bench: Bench, tmp_path: Path) -> None:
    bench.create()
    bench.add(write_texts(tmp_path / "texts"))
    test = page(knowledge_section="Search")
    test.text_input(key="knowledge-query").input("loaf bakes forty minutes")
    press(test, "Search")
    assert "forty minutes" in said(test)
    assert "cosine" in said(test)
    test.slider(key="knowledge-k").set_value(1)
    press(test, "Search")
    assert "1 passage in" in said(test)
    hit = bench.search("loaf bakes forty minutes")[0]
    cited = AppTest.from_function(_script, default_timeout=PATIENCE)
    cited.query_params["collection"] = "notes"
    cited.query_params["document"] = str(hit.document)
    cited.query_params["chunk"] = str(hit.chunk.number)
    cited.run()
    assert not cited.exception
    assert "The cited passage" in said(cited)
    assert "forty minutes" in said(cited)


def _script() -> None:
    from jackfield.dashboard.current import application

    app = application()
    ((_, shown),) = app.plugins.pages()
    shown.draw(app)


def test_the_page_measures_and_shows_the_table(bench: Bench) -> None:
    bench.create()
    ended(bench.library.text("notes", "Owls", "Owls see well at night."))
    collection = bench.library.catalogue.collection("notes")
    bench.library.catalogue.set_questions(collection, [("who sees at night?", "Owls", "")])
    test = press(page(knowledge_section="Measure"), "Measure")
    for job in bench.library.jobs.of():
        ended(job)
    test.run()
    assert "Result" in said(test)
    assert list(test.dataframe[-1].value["setting"]) == ["vectors", "bm25", "fused"]


def test_the_part_beside_the_input_sets_the_collections_of_a_chat(bench: Bench) -> None:
    bench.create()

    def script() -> None:
        import streamlit as st

        from jackfield.dashboard.current import application

        class Chat:
            app = application()
            id = "c1"
            model = "fake-model"
            running = False
            options = st.session_state.setdefault("options", {})

            def set(self, **values: object) -> None:
                st.session_state["options"].update(values)

        ((_, part),) = application().plugins.composer()
        part.draw(Chat())

    test = AppTest.from_function(script, default_timeout=PATIENCE).run()
    assert not test.exception
    test.multiselect[0].set_value(["notes"]).run()
    assert not test.exception
    assert test.session_state["options"] == {"collections": ["notes"]}
    test.multiselect[0].set_value([]).run()
    assert test.session_state["options"] == {"collections": []}
