"""Workers and servers that are killed in the middle of their work."""

import json
import os
import signal
import threading

import openai
import psutil
import pytest

from installation import until, workers
from jackfield.testing import fake_model

LONG = "Tell me all you know about the sea, in as many words as you can."
SCRIBE = """\
from fastapi import APIRouter

from jackfield import Plugin, hookimpl
from jackfield.messages import message
from jackfield.pipeline import Turn


class Scribe(Plugin):
    \"\"\"Writes a chat as the dashboard does: a job of the server's own.\"\"\"

    @hookimpl
    def jackfield_started(self, app):
        self.app = app

    @hookimpl
    def jackfield_routes(self):
        router = APIRouter()

        @router.post("/write")
        def write(model: str, text: str) -> str:
            chats = self.app.conversations
            chat = chats.create(model=model)
            asked = chats.add(chat.id, None, message("user", text))
            turn = Turn(
                model=model,
                messages=[message("user", text)],
                conversation=chat.id,
                parent=asked.id,
                origin="dashboard",
            )
            self.app.jobs.start(turn)
            return chat.id

        return router
"""


def streamed(server, model, text, **more):
    """A stream that has begun."""
    stream = server.chat(model, text, stream=True, **more)
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            return stream
    raise AssertionError("the stream ended before it began")


def test_killing_the_worker_ends_its_stream_clearly_and_nothing_else(server):
    fake_model(server.paths.models, "slow", delay=0.02)
    other = {}

    def ask():
        other["text"] = server.answer("slow", "word " * 100)

    options = {"max_tokens": 2000, "temperature": 0, "extra_body": {"ignore_eos": True}}
    stream = streamed(server, "smollm2", LONG, **options)
    neighbour = threading.Thread(target=ask)
    neighbour.start()
    until(lambda: server.resident("slow").get("active") == 1)
    os.kill(server.resident("smollm2")["pid"], signal.SIGKILL)
    with pytest.raises(openai.APIError) as caught:
        for _ in stream:
            pass
    assert caught.value.code == "worker_died"
    assert "smollm2" in caught.value.message and "killed" in caught.value.message.lower()
    assert server.http.get("/health").status_code == 200
    assert server.http.get("/", headers={"Accept": "text/html"}).status_code == 200
    neighbour.join(90)
    assert other["text"].split() == ["word"] * 100
    assert server.answer("smollm2", "Say hello.", max_tokens=8)


@pytest.mark.parametrize("how", ["segfault", "exit", "raise", "memory"])
def test_a_loader_that_crashes_in_load_is_a_clear_503_and_the_server_lives(server, how):
    settings = {"values": {"engine.memory_budget_gb": 1.0 if how == "memory" else None}}
    assert server.http.patch("/api/settings", json=settings).status_code == 200
    fake_model(server.paths.models, how, crash_on_load=how)
    fake_model(server.paths.models, "parrot")
    try:
        with pytest.raises(openai.InternalServerError) as caught:
            server.chat(how, "hello")
        assert caught.value.status_code == 503
        assert caught.value.code == "load_failed"
        assert f"'{how}" in caught.value.message
        words = {"segfault": "segmentation fault", "exit": "exit", "raise": "told to fail"}
        assert words.get(how, "memory") in caught.value.message.lower()
        assert server.answer("parrot", "hello") == "hello"
        listed = {one["name"]: one for one in server.get("/api/models")}
        assert listed[how]["resident"]["state"] == "failed"
        assert listed[how]["resident"]["error"]
    finally:
        server.http.post(f"/api/models/{how}/unload")
        server.http.patch("/api/settings", json={"values": {"engine.memory_budget_gb": None}})
        (server.paths.models / f"{how}.fake").unlink()


def test_no_worker_outlives_a_server_that_was_killed(installation):
    fake_model(installation.paths.models, "slow", delay=0.05)
    with installation.serving() as server:
        stream = streamed(server, "slow", "word " * 2000)
        left = workers(server.pid)
        assert left
        server.kill()
        _, alive = psutil.wait_procs(left, timeout=20)
        assert not alive
        with pytest.raises(openai.APIConnectionError):
            list(stream)


def written(server, chat):
    """The state and text of a chat's reply."""
    path = server.get(f"/api/conversations/{chat}")["path"]
    if len(path) < 2:
        return "", ""
    return path[1]["state"], "".join(part["text"] for part in path[1]["message"]["parts"])


def begun(server):
    """A chat whose reply is being written, and what there is of it."""
    sent = {"model": "slow", "text": "word " * 2000}
    chat = server.http.post("/api/plugins/scribe/write", params=sent).json()
    until(lambda: len(written(server, chat)[1]) > 100)
    state, text = written(server, chat)
    assert state == "streaming"
    return chat, text


def test_a_reply_that_a_killed_server_was_writing_is_there_at_the_next_start(installation):
    fake_model(installation.paths.models, "slow", delay=0.02)
    (installation.paths.plugins / "scribe.py").write_text(SCRIBE)
    with installation.serving() as server:
        chat, before = begun(server)
        server.kill()
    with installation.serving() as server:
        asked, reply = server.get(f"/api/conversations/{chat}")["path"]
        assert asked["message"]["parts"][0]["text"] == "word " * 2000
        state, text = written(server, chat)
        assert text.startswith(before)
        assert state == "failed" and reply["error"]


def test_a_server_that_is_asked_to_end_while_it_writes_keeps_the_reply(installation):
    fake_model(installation.paths.models, "slow", delay=0.02)
    (installation.paths.plugins / "scribe.py").write_text(SCRIBE)
    with installation.serving() as server:
        chat, before = begun(server)
        left = workers(server.pid)
        server.stop()
        assert server.wait() == 0
        assert not [one for one in left if one.is_running()]
        assert "Traceback" not in server.errors
    exported = json.loads(installation.run("conversations", "export", chat).stdout)
    reply = exported["nodes"][1]
    assert reply["state"] in ("cancelled", "failed")
    assert reply["message"]["parts"][0]["text"].startswith(before)
