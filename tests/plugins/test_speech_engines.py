"""Engines of speech with real weights: spoken by each, and understood again."""

import importlib.util
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jiwer
import pytest

from jackfield import InvalidRequest, JackfieldError, Sound, SpeechSynthesizer, Transcript
from jackfield.testing import Workbench
from jackfield_plugins.child_process import EngineDied
from jackfield_plugins.speech import child
from jackfield_plugins.speech.engine import EnginePlugin
from jackfield_plugins.speech.espeak import Espeak
from jackfield_plugins.speech.hibari import Hibari
from jackfield_plugins.speech.kokoro import Kokoro
from jackfield_plugins.speech.piper import Piper
from jackfield_plugins.speech.sound_files import FORMATS, encoded, joined, wav
from jackfield_plugins.speech.whisper import Whisper
from parts_speech import kokoro, piper, whisper_base, whisper_tiny

TEXTS = (
    "The old lighthouse stands at the edge of the harbour.",
    "Please bring me a glass of water and a slice of bread.",
    "Tomorrow morning the train will leave at a quarter past seven.",
)
PLUGINS: dict[str, Any] = {"espeak": Espeak, "hibari": Hibari, "kokoro": Kokoro, "piper": Piper}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    models = tmp_path_factory.mktemp("whisper")
    (models / "tiny.en").symlink_to(whisper_tiny())
    (models / "base").symlink_to(whisper_base())
    folders = {"kokoro": kokoro(), "piper": piper(), "whisper": models}
    with Workbench() as made:
        for name, plugin in {**PLUGINS, "whisper": Whisper}.items():
            config = {"folder": str(folders[name])} if name in folders else {}
            made.app.plugins.register(name, plugin, config=config)
            made.app.plugins.enable(name)
        yield made


def engine(bench: Workbench, name: str) -> SpeechSynthesizer:
    return bench.app.plugins.speech_synthesizers()[name]


def plugin(bench: Workbench, name: str) -> EnginePlugin:
    found = bench.app.plugins.plugin(name)
    assert isinstance(found, EnginePlugin)
    return found


def transcribe(bench: Workbench, audio: bytes, **options: Any) -> Transcript:
    return bench.app.plugins.speech_recognizers()["whisper"].transcribe(audio, **options)


def plain(text: str) -> str:
    return re.sub(r"[^a-z ]", "", text.lower().replace("harbor", "harbour"))


@pytest.mark.parametrize("name", ["hibari", "kokoro", "piper"])
def test_what_an_engine_speaks_is_understood_with_an_error_rate_under_five_percent(
    bench: Workbench, name: str
) -> None:
    speaker = engine(bench, name)
    assert speaker.missing() == ""
    voice = speaker.voices()[0]
    spoken = joined(speaker.speak(text, voice.name) for text in TEXTS)
    heard = transcribe(bench, wav(spoken), model="base", language="en").text
    assert jiwer.wer(plain(" ".join(TEXTS)), plain(heard)) < 0.05, heard


def test_what_espeak_speaks_is_mostly_understood(bench: Workbench) -> None:
    speaker = engine(bench, "espeak")
    heard = transcribe(bench, wav(speaker.speak(" ".join(TEXTS), "en-us")), model="base").text
    assert jiwer.wer(plain(" ".join(TEXTS)), plain(heard)) < 0.3, heard


def test_another_language_is_spoken_and_found_out_by_listening(bench: Workbench) -> None:
    text = "Le petit chat dort sur la chaise."
    sound = wav(engine(bench, "kokoro").speak(text, "ff_siwis"))
    found = transcribe(bench, sound, model="base")
    assert found.language == "fr"
    assert jiwer.wer(text.lower(), found.text.lower()) < 0.5, found.text
    assert "cat" in transcribe(bench, sound, model="base", translate=True).text.lower()
    with pytest.raises(InvalidRequest, match="knows English alone"):
        transcribe(bench, sound, model="tiny.en", translate=True)


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_twice_the_speed_takes_about_half_the_time(bench: Workbench, name: str) -> None:
    speaker = engine(bench, name)
    voice = "en-us" if name == "espeak" else speaker.voices()[0].name
    usual, fast = (speaker.speak(TEXTS[0], voice, speed=speed) for speed in (1.0, 2.0))
    assert 0.35 < fast.seconds / usual.seconds < 0.75


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_a_voice_that_does_not_exist_is_refused(bench: Workbench, name: str) -> None:
    with pytest.raises(InvalidRequest, match="no voice 'nobody'"):
        engine(bench, name).speak("Hello.", "nobody")


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_a_text_without_a_word_is_no_crash(bench: Workbench, name: str) -> None:
    speaker = engine(bench, name)
    voice = "en-us" if name == "espeak" else speaker.voices()[0].name
    assert speaker.speak("...", voice).seconds < 5
    assert speaker.speak("Ωμέγα 你好 👋🏽 \x00", voice).seconds < 20
    assert speaker.speak("Still here.", voice).seconds > 0.3


def test_words_have_their_places_in_the_recording(bench: Workbench) -> None:
    sound = engine(bench, "hibari").speak(TEXTS[0], "heart")
    found = transcribe(bench, wav(sound), model="tiny.en", words=True)
    words = [word for segment in found.segments for word in segment.words]
    assert len(words) == 10
    assert all(one.start <= one.end <= found.seconds + 0.5 for one in words)
    assert found.seconds == pytest.approx(sound.seconds, abs=0.01)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "pcm"])
def test_each_format_is_understood(bench: Workbench, kind: Any) -> None:
    sound = engine(bench, "hibari").speak(TEXTS[1], "heart")
    found = transcribe(bench, encoded(sound, kind), model="tiny.en")
    assert jiwer.wer(plain(TEXTS[1]), plain(found.text)) < 0.2, found.text


@pytest.mark.parametrize(
    "audio", [b"this is a text and no recording" * 50, b"RIFF", b"\x89PNG\r\n\x1a\n" + bytes(500)]
)
def test_a_file_that_is_no_recording_is_refused(bench: Workbench, audio: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"no recording|no sound"):
        transcribe(bench, audio, model="tiny.en")


@pytest.mark.parametrize("seconds", [0, 0.01, 3])
def test_a_recording_without_speech_gives_an_empty_transcript(
    bench: Workbench, seconds: float
) -> None:
    silence = wav(Sound(bytes(2 * int(16_000 * seconds)), 16_000))
    found = transcribe(bench, silence, model="base")
    assert (found.text, found.segments) == ("", ())


def test_noise_is_no_speech(bench: Workbench) -> None:
    noise = wav(Sound(os.urandom(16_000 * 4), 16_000))
    assert transcribe(bench, noise, model="base").text == ""


def test_a_file_that_is_cut_short_is_understood_as_far_as_it_goes(bench: Workbench) -> None:
    whole = encoded(engine(bench, "hibari").speak(" ".join(TEXTS), "heart"), "mp3")
    found = transcribe(bench, whole[: len(whole) // 3], model="tiny.en")
    assert "lighthouse" in found.text


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"model": "none"}, "model"),
        ({"language": "xx"}, "language"),
        ({"language": "English"}, "language"),
    ],
)
def test_a_model_or_language_that_is_not_there_is_refused(
    bench: Workbench, options: dict[str, str], param: str
) -> None:
    audio = wav(engine(bench, "hibari").speak("Hello.", "heart"))
    with pytest.raises(InvalidRequest) as refused:
        transcribe(bench, audio, **{"model": "base", **options})
    assert refused.value.details["param"] == param


def test_an_engine_killed_in_mid_sentence_is_an_error_and_speaks_the_next(bench: Workbench) -> None:
    speaker = engine(bench, "kokoro")
    speaker.speak("Hello.", "af_heart")
    pid = plugin(bench, "kokoro").child.pid
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(EngineDied, match="Kokoro stopped in the middle of its work"):
        speaker.speak(" ".join(TEXTS) * 2, "af_heart")
    assert speaker.speak("Hello.", "af_heart").seconds > 0.3


def test_disabling_the_plugin_ends_its_process(bench: Workbench) -> None:
    engine(bench, "piper").speak("Hello.", "en_US-joe-medium")
    pid = plugin(bench, "piper").child.pid
    assert pid
    bench.app.plugins.disable("piper")
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
    bench.app.plugins.enable("piper")
    assert engine(bench, "piper").speak("Hello.", "en_US-joe-medium").seconds > 0.3


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("kokoro", "pip install 'jackfield[kokoro]'"),
        ("piper", "pip install 'jackfield[piper]'"),
        ("hibari", "pip install 'jackfield[hibari]'"),
        ("whisper", "pip install 'jackfield[whisper]'"),
    ],
)
def test_an_engine_that_is_not_installed_names_the_command(
    bench: Workbench, name: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jackfield_plugins.speech.engine.find_spec", lambda module: None)
    if name == "whisper":
        listener = bench.app.plugins.speech_recognizers()[name]
        assert (listener.missing(), list(listener.models())) == (command, [])
        with pytest.raises(JackfieldError, match=re.escape(command)):
            listener.transcribe(b"")
        return
    speaker = engine(bench, name)
    assert speaker.missing() == command
    with pytest.raises(JackfieldError, match=re.escape(command)):
        speaker.speak("Hello.", "any")


def test_an_engine_without_its_files_names_the_command(tmp_path: Path) -> None:
    with Workbench() as bare:
        for name, kind in {**PLUGINS, "whisper": Whisper}.items():
            bare.app.plugins.register(name, kind)
            bare.app.plugins.enable(name)
        missing = {name: engine(bare, name).missing() for name in PLUGINS}
        assert missing == {
            "espeak": "",
            "hibari": "",
            "kokoro": "jackfield kokoro fetch",
            "piper": "jackfield piper fetch en_US-lessac-medium",
        }
        listener = bare.app.plugins.speech_recognizers()["whisper"]
        assert listener.missing() == "jackfield whisper fetch base"
        damaged = bare.app.plugins.plugin("kokoro").context.data / "voices"
        damaged.mkdir(parents=True)
        (damaged / "kokoro.onnx").write_bytes(b"no model")
        (damaged / "voices.bin").write_bytes(b"no voices")
        assert engine(bare, "kokoro").voices() == []


def test_without_the_program_espeak_names_the_package(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert engine(bench, "espeak").missing() == "apt install espeak-ng"
    with pytest.raises(JackfieldError, match="apt install espeak-ng"):
        engine(bench, "espeak").speak("Hello.", "en-us")


def test_the_plugins_are_light_to_import() -> None:
    modules = [f"jackfield_plugins.speech.{name}" for name in (*PLUGINS, "whisper", "plugin")]
    heavy = ("numpy", "onnxruntime", "ctranslate2", "av", "streamlit", "fastapi", "httpx")
    code = (
        f"import importlib, sys; [importlib.import_module(name) for name in {modules}];"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
    assert importlib.util.find_spec("jackfield_plugins.speech.child")


def test_a_wav_file_is_as_other_programs_read_it() -> None:
    sound = Sound(bytes(range(256)) * 10, 8000)
    with wave.open(io.BytesIO(wav(sound))) as read:
        assert (read.getnchannels(), read.getsampwidth(), read.getframerate()) == (1, 2, 8000)
        assert read.readframes(read.getnframes()) == sound.samples


@pytest.mark.parametrize(
    ("language", "said", "text"),
    [
        ("zh", ("你好。", "再见。"), "你好。再见。"),
        ("fr", (" Bonjour.", " Merci."), "Bonjour. Merci."),
    ],
)
def test_sentences_are_joined_as_their_language_is_written(
    language: str, said: tuple[str, ...], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [
        SimpleNamespace(text=one, start=at, end=at + 1, words=None) for at, one in enumerate(said)
    ]
    model = SimpleNamespace(
        model=SimpleNamespace(is_multilingual=True),
        supported_languages=[language],
        transcribe=lambda *_, **__: (pieces, SimpleNamespace(language=language)),
    )
    monkeypatch.setattr(child, "_whisper", lambda *_: model)
    asked = {"model": "base", "threads": 1, "language": "", "prompt": "", "temperature": 0.0}
    quiet = wav(Sound(bytes(32_000), 16_000))
    found = child.whisper({**asked, "audio": quiet, "words": False, "translate": False})
    assert (found["text"], found["language"]) == (text, language)
