"""OpenAI's routes of speech, driven by OpenAI's own client against a real server."""

import base64
import io
import json
import socket
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from api_server import Server, fake_server
from jackfield import Sound
from jackfield_plugins.speech.choice import own_model
from jackfield_plugins.speech.hibari import Hibari
from jackfield_plugins.speech.plugin import Speech
from jackfield_plugins.speech.sound_files import wav
from jackfield_plugins.speech.whisper import Whisper
from parts_speech import whisper_base, whisper_tiny
from speech_engines import Voices

TEXT = "Hello there. This is the second sentence, and it is longer than the first."
STARTS = {
    "mp3": (b"ID3", b"\xff\xfb", b"\xff\xf3"),
    "opus": (b"OggS",),
    "aac": (b"\xff\xf1",),
    "flac": (b"fLaC",),
    "wav": (b"RIFF",),
    "pcm": (b"",),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    models = tmp_path_factory.mktemp("whisper")
    (models / "tiny.en").symlink_to(whisper_tiny())
    (models / "base").symlink_to(whisper_base())
    with fake_server(tmp_path_factory.mktemp("home"), Speech, Hibari, Whisper, Voices) as made:
        made.app.plugins.configure("whisper", {"folder": str(models)})
        made.app.plugins.configure("speech", {"recognizer": "whisper/tiny.en"})
        made.app.plugins.speech_synthesizers()
        yield made


@pytest.fixture(autouse=True)
def quick(server: Server) -> Iterator[None]:
    yield
    Voices.engine.delay, Voices.engine.failures = 0.0, 0
    Voices.engine.speaking.clear()


def spoken(server: Server, **wanted: Any) -> bytes:
    fields = {"model": "tts-1", "voice": "alloy", "input": TEXT, **wanted}
    return server.openai.audio.speech.create(**fields).read()


@pytest.fixture(scope="module")
def recording(server: Server) -> tuple[str, bytes]:
    return "hello.wav", spoken(server, response_format="wav")


@pytest.mark.parametrize("kind", sorted(STARTS))
def test_each_format_is_what_it_says(server: Server, kind: Any) -> None:
    answer = server.openai.audio.speech.create(
        model="tts-1", voice="alloy", input=TEXT, response_format=kind
    )
    data = answer.read()
    assert data.startswith(STARTS[kind])
    assert answer.response.headers["content-type"].startswith("audio/")
    if kind == "pcm":
        assert 3 < len(data) / 2 / 24_000 < 9
    else:
        heard = server.openai.audio.transcriptions.create(
            model="whisper-1", file=(f"speech.{kind}", data)
        )
        assert "second sentence" in heard.text


@pytest.mark.parametrize("voice", ["hibari/heart", "heart", "hibari", {"id": "hibari/heart"}])
def test_a_voice_has_several_names(server: Server, voice: Any) -> None:
    assert len(spoken(server, voice=voice)) > 10_000


def test_an_engine_is_a_model(server: Server) -> None:
    Voices.engine.said.clear()
    spoken(server, model="humming", voice="high", speed=1.5)
    spoken(server, model="humming", voice="nova")
    assert {said[1:] for said in Voices.engine.said} == {("high", 1.5), ("low", 1.0)}


def test_speech_arrives_sentence_by_sentence(server: Server) -> None:
    Voices.engine.delay = 0.5
    text = "One is here. Two is here. Three is here. Four is here."
    started = time.monotonic()
    arrivals = []
    with server.openai.audio.speech.with_streaming_response.create(
        model="humming", voice="low", input=text, response_format="pcm"
    ) as answer:
        for _ in answer.iter_bytes():
            arrivals.append(time.monotonic() - started)
    assert arrivals[0] < 1.2
    assert arrivals[-1] > 1.9


def test_speech_comes_as_events_too(server: Server) -> None:
    answer = server.http.post(
        "/v1/audio/speech",
        json={"model": "humming", "voice": "low", "input": TEXT, "stream_format": "sse"},
    )
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line]
    assert [event["type"] for event in events[-2:]] == ["speech.audio.delta", "speech.audio.done"]
    assert base64.b64decode(events[0]["audio"])


@pytest.mark.parametrize(
    ("wanted", "status", "words"),
    [
        ({"input": " "}, 400, "The text is empty"),
        ({"input": "?!"}, 400, "nothing in the text"),
        ({"input": "?!", "response_format": "wav"}, 400, "nothing in the text"),
        ({"input": "```\nls\n```", "response_format": "flac"}, 400, "nothing in the text"),
        ({"input": "x" * 4097}, 400, "4097 characters; 4096 are allowed"),
        ({"voice": "nobody"}, 400, "no voice 'nobody'"),
        ({"model": "tts-9"}, 400, "no engine 'tts-9'"),
        ({"speed": 9}, 400, "'speed' cannot be 9"),
        ({"response_format": "midi"}, 400, "'response_format' cannot be 'midi'"),
    ],
)
def test_what_cannot_be_spoken_is_refused_as_openai_does(
    server: Server, wanted: dict[str, Any], status: int, words: str
) -> None:
    with pytest.raises(openai.APIStatusError, match=words) as refused:
        spoken(server, **wanted)
    assert refused.value.status_code == status
    assert refused.value.type == "invalid_request_error"


def test_an_engine_that_is_missing_is_said_with_the_command(server: Server) -> None:
    Voices.engine.lacks = "apt install humming"
    try:
        with pytest.raises(openai.InternalServerError, match="apt install humming") as refused:
            spoken(server, model="humming", voice="low")
    finally:
        Voices.engine.lacks = ""
    assert refused.value.status_code == 503
    assert refused.value.code == "engine_not_ready"


def test_a_failing_engine_is_an_error_and_not_half_a_file(server: Server) -> None:
    Voices.engine.failures = 1
    with pytest.raises(openai.InternalServerError, match="The voice broke"):
        spoken(server, model="humming", voice="low")


@pytest.mark.parametrize("kind", ["pcm", "wav"])
def test_a_client_that_leaves_ends_the_speaking(server: Server, kind: str) -> None:
    Voices.engine.delay = 0.3
    Voices.engine.said.clear()
    body = json.dumps(
        {
            "model": "humming",
            "voice": "low",
            "response_format": kind,
            "input": "A sentence like this. " * 50,
        }
    )
    head = (
        f"POST /v1/audio/speech HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall((head + body).encode())
        if kind == "pcm":  # the others come once they are whole
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert Voices.engine.speaking.wait(5)
    threading.Event().wait(1.0)
    said = len(Voices.engine.said)
    threading.Event().wait(1.0)
    assert len(Voices.engine.said) <= said + 1 < 10


@pytest.mark.parametrize("kind", ["json", "text", "srt", "vtt", "verbose_json"])
def test_each_format_of_a_transcript(
    server: Server, recording: tuple[str, bytes], kind: Any
) -> None:
    heard: Any = server.openai.audio.transcriptions.create(
        model="whisper-1", file=recording, response_format=kind
    )
    text = heard if isinstance(heard, str) else heard.text
    assert "second sentence" in text
    if kind == "srt":
        assert text.startswith("1\n00:00:00,")
    if kind == "vtt":
        assert text.startswith("WEBVTT\n\n00:00:00.")
    if kind == "verbose_json":
        assert heard.language == "en"
        assert 3 < heard.duration < 9
        assert heard.segments[0].id == 0


def test_words_have_times_where_they_are_asked_for(
    server: Server, recording: tuple[str, bytes]
) -> None:
    heard = server.openai.audio.transcriptions.create(
        model="whisper/base",
        file=recording,
        language="en",
        prompt="A greeting.",
        temperature=0.2,
        response_format="verbose_json",
        timestamp_granularities=["word"],
    )
    assert heard.words is not None
    assert heard.words[0].word.lower().startswith("hello")
    assert heard.segments is None
    with pytest.raises(openai.BadRequestError, match="verbose_json"):
        server.openai.audio.transcriptions.create(
            model="whisper-1", file=recording, timestamp_granularities=["word"]
        )


def test_speech_is_translated_into_english(server: Server, recording: tuple[str, bytes]) -> None:
    heard = server.http.post(  # OpenAI's client warns of this route
        "/v1/audio/translations", data={"model": "whisper/base"}, files={"file": recording}
    )
    assert "second sentence" in heard.json()["text"]


@pytest.mark.parametrize(
    ("file", "more", "words"),
    [
        (("a.mp3", b"this is no recording at all" * 30), {}, "no recording"),
        (("a.wav", b""), {}, "The file is empty"),
        (("a.wav", wav(Sound(bytes(16_000), 8_000))), {"model": "nobody"}, "no model 'nobody'"),
        (("a.wav", wav(Sound(bytes(16_000), 8_000))), {"language": "english"}, "'english' is no"),
        (("a.wav", wav(Sound(bytes(16_000), 8_000))), {"temperature": 7}, "'temperature'"),
    ],
)
def test_what_cannot_be_understood_is_refused_as_openai_does(
    server: Server, file: tuple[str, bytes], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        server.openai.audio.transcriptions.create(**{"model": "whisper-1", "file": file, **more})


def test_a_request_without_a_file_is_refused(server: Server) -> None:
    answer = server.http.post("/v1/audio/transcriptions", data={"model": "whisper-1"})
    assert answer.status_code == 400
    assert "file" in answer.json()["error"]["message"]


def test_a_silent_recording_gives_an_empty_text(server: Server) -> None:
    silence = wav(Sound(bytes(2 * 16_000 * 2), 16_000))
    heard = server.openai.audio.transcriptions.create(model="whisper-1", file=("s.wav", silence))
    assert heard.text == ""


def test_the_voices_are_listed(server: Server) -> None:
    listed = server.http.get("/v1/audio/voices").json()
    assert {"hibari/heart", "humming/low", "humming/high"} <= {one["id"] for one in listed["data"]}
    assert {"name": "hibari", "title": "Hibari", "license": "Apache-2.0", "missing": ""} in listed[
        "engines"
    ]


def test_a_client_that_leaves_ends_the_listening(server: Server, tmp_path: Path) -> None:
    plugin: Any = server.app.plugins.plugin("whisper")
    sound = io.BytesIO()
    with (
        wave.open(sound, "wb") as file,
        wave.open(io.BytesIO(spoken(server, response_format="wav", input=TEXT * 10))) as source,
    ):
        file.setparams(source.getparams())
        for _ in range(2):
            source.rewind()
            file.writeframes(source.readframes(source.getnframes()))
    before = plugin.child.pid

    def ask() -> None:
        with pytest.raises(openai.APITimeoutError):
            server.openai.with_options(timeout=0.5).audio.transcriptions.create(
                model="whisper/base", file=("long.wav", sound.getvalue())
            )

    ask()
    until = time.monotonic() + 15
    while plugin.child.pid == before and time.monotonic() < until:
        time.sleep(0.05)
    assert plugin.child.pid != before, "it went on listening for nobody"


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("tts-1-hd", ""),
        ("gpt-4o-mini-tts-2025-12-15", ""),
        ("gpt-4o-transcribe-diarize", ""),
        ("tts-1-1106", ""),
        ("", ""),
        ("kokoro", "kokoro"),
        ("whisper-13", "whisper-13"),
    ],
)
def test_openais_names_of_models_stand_for_the_usual_one(name: str, own: str) -> None:
    assert own_model(name) == own
