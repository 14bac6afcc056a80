"""``python -m jackfield_plugins.speech.child ENGINE``: the process of one engine.

Models are loaded when first asked for and kept; a request names all that it needs.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jackfield import InvalidRequest
from jackfield_plugins.child_process import serve

LONGEST = 5 * 3600.0  # seconds of a recording
SPACELESS = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km"})
"""Languages that are written without spaces between sentences."""
RATE = 16_000  # samples per second that Whisper listens to


def main() -> None:
    """Be the engine that the argument names."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # all that is needed was fetched before
    engines: dict[str, Callable[[dict[str, Any]], Any]] = {
        "kokoro": kokoro,
        "piper": piper,
        "hibari": hibari,
        "whisper": whisper,
    }
    engine = engines[sys.argv[1]]

    def answer(request: dict[str, Any]) -> Any:
        if "text" in request:
            request["text"] = request["text"].replace("\0", " ")  # espeak's C code ends there
        return engine(request)

    serve(answer)


def kokoro(request: dict[str, Any]) -> dict[str, Any]:
    """Speak with Kokoro."""
    model = _kokoro(request["model"], request["voices"], request["threads"])
    speed = min(max(request["speed"], 0.5), 2.0)  # what it takes
    try:
        samples, rate = model.create(
            request["text"], request["voice"], speed=speed, lang=request["language"]
        )
    except ValueError as error:  # a text of signs alone has no sound
        if "phonemes" in str(error):
            return {"samples": b"", "rate": 24_000}
        raise
    return {"samples": _sixteen_bits(samples), "rate": rate}


@cache
def _kokoro(model: str, voices: str, threads: int) -> Any:
    import onnxruntime
    from kokoro_onnx import Kokoro

    return Kokoro.from_session(_session(onnxruntime, model, threads), voices)


def piper(request: dict[str, Any]) -> dict[str, Any]:
    """Speak with Piper."""
    from piper import SynthesisConfig

    voice = _piper(request["model"], request["threads"])
    settings = SynthesisConfig(
        speaker_id=voice.config.speaker_id_map.get(request["speaker"]),
        length_scale=voice.config.length_scale / request["speed"],
    )
    chunks = list(voice.synthesize(request["text"], settings))
    samples = b"".join(chunk.audio_int16_bytes for chunk in chunks)
    return {"samples": samples, "rate": voice.config.sample_rate}


@cache
def _piper(model: str, threads: int) -> Any:
    import json

    import onnxruntime
    from piper import PiperVoice
    from piper.config import PiperConfig

    config = json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))
    session = _session(onnxruntime, model, threads)
    return PiperVoice(session, PiperConfig.from_dict(config))


def hibari(request: dict[str, Any]) -> dict[str, Any]:
    """Speak with Hibari."""
    model = _hibari(request["voice"], request["model"], request["threads"])
    samples = model(request["text"], speed=min(max(request["speed"], 0.5), 2.0))
    return {"samples": _sixteen_bits(samples), "rate": model.sample_rate}


@cache
def _hibari(voice: str, model: str, threads: int) -> Any:
    from hibari import Hibari

    return Hibari(voice=voice, model=model, threads=threads)


def whisper(request: dict[str, Any]) -> dict[str, Any]:
    """Listen with Whisper."""
    from faster_whisper.audio import decode_audio

    audio = request["audio"]
    _check(audio)
    samples = decode_audio(io.BytesIO(audio), sampling_rate=RATE)
    seconds = len(samples) / RATE
    if not len(samples):
        return {"text": "", "language": request["language"], "seconds": 0.0, "segments": []}
    model = _whisper(request["model"], request["threads"])
    if request["translate"] and not model.model.is_multilingual:
        raise InvalidRequest(
            f"The model {Path(request['model']).name!r} knows English alone and cannot translate.",
            hint="Choose a multilingual one, for example base.",
            param="model",
        )
    language = request["language"] or None
    if language is not None and language not in model.supported_languages:
        raise InvalidRequest(
            f"The model {Path(request['model']).name!r} does not know the language {language!r}.",
            hint=f"It knows: {', '.join(sorted(model.supported_languages))}.",
            param="language",
        )
    temperature = request["temperature"]
    found, info = model.transcribe(
        samples,
        language=language,
        task="translate" if request["translate"] else "transcribe",
        initial_prompt=request["prompt"] or None,
        word_timestamps=request["words"],
        vad_filter=True,
        **({"temperature": temperature} if temperature else {}),
    )
    segments = [_segment(one) for one in found]
    spoken = language or info.language
    between = "" if spoken in SPACELESS else " "
    return {
        "text": between.join(segment["text"] for segment in segments),
        "language": spoken,
        "seconds": seconds,
        "segments": segments,
    }


def _segment(one: Any) -> dict[str, Any]:
    words = [(word.word.strip(), float(word.start), float(word.end)) for word in one.words or ()]
    times = {"start": float(one.start), "end": float(one.end)}
    return {"text": one.text.strip(), "words": words, **times}


def _check(audio: bytes) -> None:
    """Raise InvalidRequest for what is no recording, or too long a one."""
    import av

    hint = "Send wav, mp3, ogg, opus, webm, m4a or flac."
    try:
        with av.open(io.BytesIO(audio), metadata_errors="ignore") as container:
            streams = container.streams.audio
            seconds = (container.duration or 0) / av.time_base
            frame = next(container.decode(streams[0]), None) if streams else None
    except av.FFmpegError as error:
        raise InvalidRequest("This file is no recording.", hint=hint, param="file") from error
    if not streams:
        raise InvalidRequest("This file has no sound in it.", hint=hint, param="file")
    if seconds > LONGEST:
        raise InvalidRequest(
            f"The recording lasts {seconds / 3600:.1f} hours; {LONGEST / 3600:.0f} are allowed.",
            hint="Cut it into parts.",
            param="file",
        )
    del frame


@cache
def _whisper(model: str, threads: int) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(
        model, device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
    )


def _session(runtime: Any, model: str, threads: int) -> Any:
    """A model in ONNX Runtime; its threads sleep when there is nothing to do."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _sixteen_bits(samples: Any) -> bytes:
    """Numbers from -1 to 1 as signed 16-bit little-endian."""
    import numpy as np

    data: bytes = (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    return data


if __name__ == "__main__":
    main()
