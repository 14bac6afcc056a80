"""Models of other servers: another Jackfield, and servers that misbehave."""

import contextlib
import http.server
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

import parts
from api_server import Server, fake_server
from jackfield import (
    InvalidRequest,
    JackfieldError,
    LoaderError,
    LoadFailed,
    Message,
    ModelFiles,
    Prompt,
    SamplingParams,
    TextPart,
)
from jackfield.application import Application
from jackfield.machine import Machine
from jackfield.paths import Paths
from jackfield.testing.loader_conformance import LoaderConformance
from jackfield_loaders.gguf import Gguf
from jackfield_loaders.remote import Remote, RemoteLoader
from jackfield_loaders.remote.options import RemoteOptions
from jackfield_loaders.remote.servers import keys, named
from jackfield_plugins.templates import Templates


@contextmanager
def workbench(folder: Path, **config: object) -> Iterator[Server]:
    """A Jackfield that uses other servers' models."""
    app = Application(Paths(folder), entry_points=[])
    app.paths.make()
    app.plugins.register("remote", Remote)
    app.plugins.configure("remote", config)
    with Server(app) as server:
        yield server


@contextmanager
def smollm2_server(folder: Path, smollm2: Path) -> Iterator[Server]:
    """Another Jackfield with a real model."""
    app = Application(Paths(folder), entry_points=[])
    app.paths.make()
    (app.paths.models / "smollm2.gguf").symlink_to(smollm2)
    app.settings.set(
        ("models", "smollm2", "options"), {"n_ctx": 512, "parallel": 3, "n_threads": 1}
    )
    app.settings.set(("models", "smollm2", "template"), "chatml")
    app.plugins.register("gguf", Gguf)
    app.plugins.register("templates", Templates)
    with Server(app) as server:
        yield server


def remote_files(server: Server, model: str) -> ModelFiles:
    known = {"server": "up", "address": f"{server.url}/v1", "model": model}
    return ModelFiles(Path("remote/up/x"), "remote", 0, known)


class TestConformance(LoaderConformance):
    """Against a real model behind a second Jackfield."""

    loader = RemoteLoader()

    @classmethod
    def setup_class(cls) -> None:
        cls.stack = contextlib.ExitStack()
        folder = cls.stack.enter_context(tempfile.TemporaryDirectory())
        server = cls.stack.enter_context(smollm2_server(Path(folder), parts.smollm2()))
        server.chat("Hello", model="smollm2", max_tokens=1)
        cls.files = remote_files(server, "smollm2")
        address = str(cls.files.metadata["address"])
        cls.options = RemoteOptions(n_ctx=512, parallel=3, address=address)
        super().setup_class()

    @classmethod
    def teardown_class(cls) -> None:
        super().teardown_class()
        cls.stack.close()


def test_a_chat_streams_through_two_jackfields(tmp_path, smollm2):
    with contextlib.ExitStack() as stack:
        up = stack.enter_context(smollm2_server(tmp_path / "up", smollm2))
        here = stack.enter_context(workbench(tmp_path / "here", servers=[f"up = {up.url}"]))
        names = [one.id for one in here.openai.models.list()]
        assert names == ["up.smollm2"]
        asked = {"temperature": 0, "max_tokens": 12, "seed": 1}
        question = "What is the capital of France?"
        direct = up.chat(question, model="smollm2", **asked).choices[0].message.content
        chunks = list(here.chat(question, model="up.smollm2", stream=True, **asked))
        pieces = [one.choices[0].delta.content or "" for one in chunks if one.choices]
        assert "".join(pieces) == direct
        assert "Paris" in direct
        assert len([piece for piece in pieces if piece]) > 3
        whole = here.chat(question, model="up.smollm2", logprobs=True, top_logprobs=2, **asked)
        assert whole.usage.completion_tokens > 3
        assert whole.choices[0].logprobs.content[0].logprob <= 0


def test_an_unknown_model_is_not_there(tmp_path):
    with contextlib.ExitStack() as stack:
        up = stack.enter_context(fake_server(tmp_path / "up"))
        here = stack.enter_context(workbench(tmp_path / "here", servers=[f"up = {up.url}/v1"]))
        with pytest.raises(openai.NotFoundError):
            here.chat("hi", model="up.nobody")


def test_a_server_that_is_down_is_listed_with_its_error(tmp_path):
    with workbench(tmp_path / "here", servers=["gone = http://127.0.0.1:9/v1"]) as here:
        with pytest.raises(openai.APIStatusError) as failed:
            here.chat("hi", model="gone")
        assert "cannot be reached" in str(failed.value)


def test_what_a_server_had_is_remembered_while_it_is_down(tmp_path):
    with contextlib.ExitStack() as stack:
        up = stack.enter_context(fake_server(tmp_path / "up"))
        here = stack.enter_context(workbench(tmp_path / "here", servers=[f"up = {up.url}"]))
        assert [one.id for one in here.openai.models.list()] == ["up.parrot"]
    with workbench(tmp_path / "here", servers=[f"up = {up.url}"]) as here:
        assert [one.id for one in here.openai.models.list()] == ["up.parrot"]


def test_a_model_named_by_its_path_is_called_by_the_last_part(rude, tmp_path):
    rude.handler.models = ["/models/one.gguf", "/a/two", "/b/two/", "C:\\models\\3", "org/four"]
    with workbench(tmp_path, servers=[f"up = http://127.0.0.1:{rude.server_port}"]) as here:
        names = {one.id for one in here.openai.models.list()}
    assert names == {"up.one.gguf", "up.-a-two", "up.-b-two", "up.3", "up.org-four"}


class Rude(http.server.BaseHTTPRequestHandler):
    """A server that does as the model's name says."""

    protocol_version = "HTTP/1.1"
    keys_seen: list[str]
    asked: list[dict]
    hung_up: threading.Event
    models: tuple[str, ...] = (
        *("refuses", "missing", "limited", "fails", "garbage", "drops", "silent"),
        *("stubborn", "good"),
    )

    def do_GET(self):
        self.keys_seen.append(self.headers.get("authorization", ""))
        self.answer(200, {"data": [{"id": name, "object": "model"} for name in self.models]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(body)
        error = {"error": {"message": "as the server says"}}
        match body["model"]:
            case "refuses":
                self.answer(401, error)
            case "missing":
                self.answer(404, error)
            case "limited":
                self.answer(429, error, ("retry-after", "7"))
            case "fails":
                self.answer(500, error)
            case "garbage":
                self.stream("data: {nonsense\n\n")
            case "silent":
                time.sleep(3)
            case "drops":
                self.stream(chunk("one "), chunk("two "), whole=False)
            case "stubborn":
                self.stream(chunk("one t"), chunk("wo"), chunk(" three"), "data: [DONE]\n\n")
            case "good":
                self.endless()

    def answer(self, status, content, *headers):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def stream(self, *pieces, whole=True):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(sum(map(len, pieces)) + (0 if whole else 1000)))
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece.encode())
        self.close_connection = True

    def endless(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        try:
            for _ in range(1000):
                self.wfile.write(chunk("word ").encode())
                self.wfile.flush()
                time.sleep(0.01)
        except OSError:
            self.hung_up.set()

    def log_message(self, *_):
        pass


def chunk(text: str) -> str:
    delta = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    return f"data: {json.dumps(delta)}\n\n"


@pytest.fixture
def rude():
    handler = type("Handler", (Rude,), {"keys_seen": [], "asked": [], "hung_up": threading.Event()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handler = handler
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def load(rude):
    """Loads a model of the rude server; all of them are closed in the end."""
    with contextlib.ExitStack() as stack:

        def load(model: str, **options: object):
            loaded = opened(rude, model, **options)
            stack.callback(loaded.close)
            return loaded

        yield load


def opened(rude, model: str, **options: object):
    address = f"http://127.0.0.1:{rude.server_port}/v1"
    known = {"server": "rude", "address": address, "model": model}
    files = ModelFiles(Path("remote/rude/x"), "remote", 0, known)
    asked = RemoteOptions(address=address, n_ctx=512, **options)
    return RemoteLoader().load(files, asked)


def chat(model, **sampling: object) -> str:
    said = Message("user", (TextPart("hi"),))
    prompt = Prompt("user: hi", messages=(said,))
    return "".join(one.text for one in model.complete(prompt, SamplingParams(**sampling)))


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("refuses", LoaderError, "refused the key"),
        ("missing", InvalidRequest, "no such thing: as the server says"),
        ("limited", LoaderError, "at its limit"),
        ("fails", LoaderError, "failed"),
        ("garbage", LoaderError, "not JSON"),
        ("drops", LoaderError, "broke off"),
    ],
)
def test_what_a_server_does_wrong_is_said(rude, load, model, kind, words):
    with pytest.raises(kind, match=words):
        chat(load(model))
    assert len(rude.handler.asked) == 1, "a request was repeated"


def test_a_limit_names_the_time_to_wait(rude, load):
    with pytest.raises(LoaderError) as limited:
        chat(load("limited"))
    assert "7 seconds" in limited.value.hint


def test_a_silent_server_is_given_up(rude, load):
    with pytest.raises(LoaderError, match="did not answer in time"):
        chat(load("silent", first_token_seconds=1))


def test_a_stop_string_ends_the_reply_of_a_server_that_does_not_know_it(load):
    assert chat(load("stubborn"), stop=["two"]) == "one "
    assert chat(load("stubborn"), stop=["twofold"]) == "one two three"
    said = Message("user", (TextPart("hi"),))
    asked = SamplingParams(stop=["word"])
    *_, last = load("good").complete(Prompt("x", messages=(said,)), asked)
    assert (last.finish, last.completion_tokens) == ("stop", 1)


def test_hanging_up_stops_the_server(rude, load):
    said = Message("user", (TextPart("hi"),))
    reply = load("good").complete(Prompt("x", messages=(said,)), SamplingParams())
    assert next(reply).text == "word "
    began = time.monotonic()
    closing = threading.Timer(0.2, reply.close)
    closing.start()
    rest = list(reply)
    assert time.monotonic() - began < 2
    assert all(one.finish is None for one in rest)
    assert rude.handler.hung_up.wait(5)


def test_only_what_the_server_knows_is_sent(rude, load):
    with pytest.raises(JackfieldError):
        chat(load("fails"), temperature=0.5, top_k=3, stop=["x"], seed=4)
    (body,) = rude.handler.asked
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert (body["temperature"], body["stop"], body["seed"]) == (0.5, ["x"], 4)
    assert "top_k" not in body


def test_a_model_that_went_away_is_not_loaded(rude, load):
    with pytest.raises(LoadFailed, match="no longer has the model"):
        load("never-heard-of")


def test_the_key_is_sent_and_shown_nowhere(rude, tmp_path):
    key = "sk-very-secret-0123"
    address = f"http://127.0.0.1:{rude.server_port}"
    config = {"servers": [f"rude = {address}"], "keys": f"rude = {key}"}
    with workbench(tmp_path / "here", **config) as here:
        with pytest.raises(openai.APIStatusError):
            here.chat("hi", model="rude.fails")
        assert f"Bearer {key}" in rude.handler.keys_seen
        resident = here.resident("rude.fails")
        assert resident.plan.settled.options.api_key.get_secret_value() == key
        shown = [
            here.http.get("/api/models").text,
            here.http.get("/api/plugins").text,
            here.http.get("/v1/models").text,
            repr(resident.plan),
            resident.log.read_text(),
        ]
        assert not any(key in text for text in shown)
    for path in (tmp_path / "here").rglob("*"):
        if path.is_file() and path.name != "secrets.toml":
            assert key.encode() not in path.read_bytes(), path


def test_settling_twice_changes_nothing():
    files = ModelFiles(Path("remote/up/x"), "remote", 0, {"address": "http://a/v1", "model": "m"})
    settled = RemoteLoader().settle(files, RemoteOptions(), Machine(()))
    assert settled.options.n_ctx == 8192
    again = RemoteLoader().settle(files, settled.options, Machine(()))
    assert again.options == settled.options


@pytest.mark.parametrize(
    "line", ["box", "box = ftp://x", "Box One = http://x", "box = http://me:pw@x/v1", "= http://x"]
)
def test_what_is_no_server_is_refused(line):
    with pytest.raises(ValueError, match=r".+"):
        named([line])


def test_an_address_gets_its_v1():
    assert named(["a = http://x:1", "b = https://y/api/v1/"]) == {
        "a": "http://x:1/v1",
        "b": "https://y/api/v1",
    }


def test_a_wrong_key_list_is_refused_without_repeating_it():
    with pytest.raises(ValueError, match="form name = key") as refused:
        keys("sk-secret")
    assert "sk-secret" not in str(refused.value)
