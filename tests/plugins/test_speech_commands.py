"""Speech on the command line, and files that are fetched."""

import hashlib
import json
import threading
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer

from jackfield import InvalidRequest, JackfieldError, NotPermitted
from jackfield.testing import Workbench
from jackfield_plugins.speech import hibari as hibari_module
from jackfield_plugins.speech import kokoro as kokoro_module
from jackfield_plugins.speech import piper as piper_module
from jackfield_plugins.speech import whisper as whisper_module
from jackfield_plugins.speech.hibari import Hibari
from jackfield_plugins.speech.kokoro import Kokoro
from jackfield_plugins.speech.piper import Piper
from jackfield_plugins.speech.plugin import Speech
from jackfield_plugins.speech.whisper import Whisper
from speech_engines import Voices


@pytest.fixture
def bench() -> Iterator[Workbench]:
    with Workbench() as made:
        for name, plugin in (
            ("speech", Speech),
            ("voices", Voices),
            ("kokoro", Kokoro),
            ("piper", Piper),
            ("whisper", Whisper),
            ("hibari", Hibari),
        ):
            made.app.plugins.register(name, plugin)
            made.app.plugins.enable(name)
        yield made


def command(bench: Workbench, *words: str) -> None:
    cli = typer.Typer()
    cli.callback()(lambda: None)
    bench.app.plugins.commands(cli, bench.app)
    cli(list(words), standalone_mode=False)


def test_a_text_is_spoken_into_a_file(bench: Workbench, tmp_path: Path) -> None:
    file = tmp_path / "hello.wav"
    command(bench, "speak", "Hello there. And again.", "-o", str(file), "--voice", "humming/high")
    assert [said[1] for said in Voices.engine.said] == ["high", "high"]
    with wave.open(str(file)) as read:
        assert read.getnframes() / read.getframerate() == pytest.approx(0.65, abs=0.01)
    with pytest.raises(InvalidRequest, match="no ending"):
        command(bench, "speak", "Hello.", "-o", str(tmp_path / "hello.doc"))
    with pytest.raises(InvalidRequest, match="nothing in the text"):
        command(bench, "speak", "...", "-o", str(file))


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("text", "What was said"),
        ("json", '{"text": "What was said"}'),
        ("srt", ""),
        ("vtt", "WEBVTT"),
        ("verbose_json", '"duration": 1.0'),
    ],
)
def test_a_recording_is_written_down(
    bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, shown: str
) -> None:
    file = tmp_path / "said.wav"
    file.write_bytes(b"What was said")
    command(bench, "transcribe", str(file), "--format", kind)
    assert shown in capsys.readouterr().out
    with pytest.raises(InvalidRequest, match="no format 'docx'"):
        command(bench, "transcribe", str(file), "--format", "docx")


def test_voices_are_listed_with_what_is_missing(
    bench: Workbench, capsys: pytest.CaptureFixture[str]
) -> None:
    command(bench, "voices", "--json")
    listed = json.loads(capsys.readouterr().out)
    assert "humming/low" in [one["id"] for one in listed["data"]]
    command(bench, "voices")
    shown = capsys.readouterr()
    assert "humming/low" in shown.out
    assert "Kokoro still needs: jackfield kokoro fetch" in shown.err


class Shelf(BaseHTTPRequestHandler):
    """Gives files by their paths."""

    files: dict[str, bytes]

    def do_GET(self) -> None:
        data = self.files.get(self.path)
        self.send_response(200 if data is not None else 404)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def shelf() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A server on this machine in place of those outside, and its files."""
    handler = type("Handler", (Shelf,), {"files": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler.files
    server.shutdown()
    server.server_close()


def test_a_voice_of_piper_is_fetched_and_found(
    bench: Workbench, shelf: tuple[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, files = shelf
    monkeypatch.setattr(piper_module, "VOICES", address)
    about = json.dumps({"language": {"code": "fr_FR"}}).encode()
    files["/fr/fr_FR/siwis/medium/fr_FR-siwis-medium.onnx"] = b"a model"
    files["/fr/fr_FR/siwis/medium/fr_FR-siwis-medium.onnx.json"] = about
    command(bench, "piper", "fetch", "fr_FR-siwis-medium")
    engine = bench.app.plugins.speech_synthesizers()["piper"]
    assert engine.missing() == ""
    (voice,) = engine.voices()
    assert (voice.name, voice.title, voice.language) == ("fr_FR-siwis-medium", "Siwis", "fr-FR")
    with pytest.raises(InvalidRequest, match="no name of a voice"):
        command(bench, "piper", "fetch", "../../etc/passwd")
    with pytest.raises(JackfieldError, match="404"):
        command(bench, "piper", "fetch", "de_DE-none-low")


def test_a_file_that_arrives_damaged_is_not_kept(
    bench: Workbench, shelf: tuple[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, files = shelf
    files["/model.onnx"], files["/voices.bin"] = b"right", b"wrong"
    right = hashlib.sha256(b"right").hexdigest()
    wanted = tuple(
        kokoro_module.RemoteFile(path=name, url=f"{address}/{name}", size=5, sha256=right)
        for name in ("model.onnx", "voices.bin")
    )
    monkeypatch.setattr(kokoro_module, "FILES", wanted)
    engine = bench.app.plugins.speech_synthesizers()["kokoro"]
    with pytest.raises(JackfieldError, match=r"voices\.bin"):
        command(bench, "kokoro", "fetch")
    assert engine.missing() == "jackfield kokoro fetch"
    files["/voices.bin"] = b"right"
    command(bench, "kokoro", "fetch")
    assert engine.missing() == ""


def test_a_model_of_whisper_and_a_voice_of_hibari_are_fetched(
    bench: Workbench, shelf: tuple[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, files = shelf
    monkeypatch.setattr(whisper_module, "HUB", address)
    for name in whisper_module.FILES:
        files[f"/faster-whisper-tiny/resolve/main/{name}"] = b"something"
    command(bench, "whisper", "fetch", "tiny")
    listener = bench.app.plugins.speech_recognizers()["whisper"]
    assert list(listener.models()) == ["tiny"]
    with pytest.raises(JackfieldError, match="no model 'enormous'"):
        command(bench, "whisper", "fetch", "enormous")
    monkeypatch.setattr(hibari_module, "VOICES", address)
    with pytest.raises(JackfieldError, match="404"):
        command(bench, "hibari", "fetch", "emma")
    with pytest.raises(JackfieldError, match="no voice 'heart' to fetch"):
        command(bench, "hibari", "fetch", "heart")


@pytest.mark.parametrize("words", [("kokoro", "fetch"), ("piper", "fetch"), ("whisper", "fetch")])
def test_nothing_is_fetched_offline(bench: Workbench, words: tuple[str, ...]) -> None:
    bench.app.settings.set("offline", True)
    with pytest.raises(NotPermitted, match="offline"):
        command(bench, *words)
