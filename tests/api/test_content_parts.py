"""Pictures, recordings and files in messages, as OpenAI's clients send them."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import document_files as files
from api_server import Server, fake_server
from jackfield.api.content_parts import media_part
from jackfield.errors import InvalidRequest
from jackfield.messages import MediaPart
from jackfield_loaders.remote import Remote
from jackfield_plugins.attachments import Attachments
from jackfield_plugins.documents import Documents

DATA = base64.b64encode(b"\x89PNG").decode()
URL = f"data:image/png;base64,{DATA}"


@pytest.mark.parametrize(
    ("kind", "inside", "made"),
    [
        ("image_url", {"url": URL}, MediaPart("image/png", b"\x89PNG")),
        ("image_url", URL, MediaPart("image/png", b"\x89PNG")),
        ("input_audio", {"data": DATA, "format": "mp3"}, MediaPart("audio/mpeg", b"\x89PNG")),
        ("input_audio", {"data": DATA, "format": "wav"}, MediaPart("audio/wav", b"\x89PNG")),
        (
            "file",
            {"file_data": f"data:application/pdf;base64,{DATA}", "filename": "a.pdf"},
            MediaPart("application/pdf", b"\x89PNG", "a.pdf"),
        ),
        (
            "file",
            {"file_data": DATA, "filename": "a.pdf"},
            MediaPart("application/pdf", b"\x89PNG", "a.pdf"),
        ),
    ],
)
def test_each_form_of_a_part_is_understood(kind: str, inside: object, made: MediaPart) -> None:
    assert media_part(kind, {kind: inside}, "here") == made


@pytest.mark.parametrize(
    ("kind", "inside", "param", "words"),
    [
        ("image_url", {"url": "https://a.example/b.png"}, "image_url.url", "fetches nothing"),
        ("image_url", {"url": "HTTP://a.example/b.png"}, "image_url.url", "fetches nothing"),
        ("image_url", {"url": "b.png"}, "image_url.url", "no data URL"),
        ("image_url", {"url": "data:image/png,x"}, "image_url.url", "not of the form"),
        ("image_url", {"url": "data:image/png;base64,?"}, "image_url.url", "not valid base64"),
        ("image_url", {}, "image_url.url", "has no 'url'"),
        ("image_url", None, "image_url", "needs an object"),
        ("file", {"file_id": "file-1"}, "file.file_data", "not kept on this server"),
        ("input_audio", {"format": "wav"}, "input_audio.data", "no data"),
    ],
)
def test_what_is_wrong_with_a_part_is_said(
    kind: str, inside: object, param: str, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        media_part(kind, {kind: inside}, "here")
    assert caught.value.details["param"] == f"here.{param}"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that reads files, with a model that says what it was given."""
    home = tmp_path_factory.mktemp("home")
    models = {"parrot": {"replies": ["prompt"]}}
    with fake_server(home, Documents, Attachments, models=models) as server:
        yield server


def asked(server: Server, *content: dict[str, Any], **more: Any) -> str:
    messages: Any = [{"role": "user", "content": list(content)}]
    reply = server.openai.chat.completions.create(model="parrot", messages=messages, **more)
    return str(reply.choices[0].message.content)


def test_a_file_is_read_for_the_model(mirror: Server, tmp_path: Path) -> None:
    data = base64.b64encode(files.pdf(tmp_path / "a.pdf", [["The code is 4711"]]).read_bytes())
    part = {"type": "file", "file": {"file_data": data.decode(), "filename": "a.pdf"}}
    said = asked(mirror, {"type": "text", "text": "What is the code?"}, part)
    assert "Attached file 'a.pdf':\n[Page 1]\nThe code is 4711" in said
    assert "The code is 4711" in asked(mirror, part), "no text beside it is needed"


def test_an_address_is_refused_with_what_to_do(mirror: Server) -> None:
    part = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
    body = {"model": "parrot", "messages": [{"role": "user", "content": [part]}]}
    answer = mirror.http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"] == "messages.0.content.0.image_url.url"
    assert "Send the data itself" in json.dumps(answer.json())


def test_only_the_user_sends_files(mirror: Server) -> None:
    part = {"type": "image_url", "image_url": {"url": URL}}
    body = {"model": "parrot", "messages": [{"role": "assistant", "content": [part]}]}
    answer = mirror.http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert "Only a message of the user" in answer.json()["error"]["message"]


class Seeing(http.server.BaseHTTPRequestHandler):
    """A server with a model that sees; keeps what it was sent."""

    bodies: list[dict[str, Any]]

    def do_GET(self) -> None:
        self.answer("application/json", json.dumps({"data": [{"id": "eye"}]}))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.bodies.append(json.loads(body))
        delta = {"choices": [{"index": 0, "delta": {"content": "A cat."}, "finish_reason": "stop"}]}
        self.answer("text/event-stream", f"data: {json.dumps(delta)}\n\ndata: [DONE]\n\n")

    def answer(self, kind: str, text: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        return


def test_a_picture_reaches_a_remote_model_that_sees_and_a_text_file_is_read(
    tmp_path: Path,
) -> None:
    Seeing.bodies = []
    up = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Seeing)
    thread = threading.Thread(target=up.serve_forever, daemon=True)
    thread.start()
    try:
        with fake_server(tmp_path, Documents, Attachments, Remote, models={"parrot": {}}) as here:
            address = f"up = http://127.0.0.1:{up.server_port}"
            here.app.plugins.configure("remote", {"servers": [address]})
            here.app.settings.set(("models", "up.eye", "options"), {"vision": True})
            note = {
                "type": "file",
                "file": {
                    "file_data": base64.b64encode(b"It is Ann's.").decode(),
                    "filename": "a.txt",
                },
            }
            picture = {"type": "image_url", "image_url": {"url": URL}}
            content: Any = [{"type": "text", "text": "What is it?"}, picture, note]
            reply = here.openai.chat.completions.create(
                model="up.eye", messages=[{"role": "user", "content": content}]
            )
    finally:
        up.shutdown()
        up.server_close()
        thread.join(10)
    assert reply.choices[0].message.content == "A cat."
    (body,) = Seeing.bodies
    text, image = body["messages"][0]["content"]
    assert text["text"] == "Attached file 'a.txt':\nIt is Ann's.\n[End of 'a.txt']\n\nWhat is it?"
    assert image == picture
