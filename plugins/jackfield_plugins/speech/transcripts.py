"""Transcripts as text, as subtitles, and as OpenAI's API gives them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

from jackfield import Transcript

TranscriptFormat: TypeAlias = Literal["json", "text", "srt", "vtt", "verbose_json"]
FORMATS: tuple[TranscriptFormat, ...] = get_args(TranscriptFormat)


def srt(transcript: Transcript) -> str:
    """SubRip subtitles."""
    lines = []
    for number, one in enumerate(transcript.segments, 1):
        times = f"{_time(one.start, ',')} --> {_time(one.end, ',')}"
        lines.append(f"{number}\n{times}\n{one.text}\n")
    return "\n".join(lines)


def vtt(transcript: Transcript) -> str:
    """Subtitles for the web (WebVTT)."""
    cues = [
        f"{_time(one.start, '.')} --> {_time(one.end, '.')}\n{_plain(one.text)}\n"
        for one in transcript.segments
    ]
    return "\n".join(["WEBVTT\n", *cues])


def verbose(
    transcript: Transcript, *, task: str, words: bool = False, segments: bool = True
) -> dict[str, Any]:
    """With times. ``language`` is a code; what only OpenAI's own engine knows is left out."""
    found: dict[str, Any] = {
        "task": task,
        "language": transcript.language,
        "duration": round(transcript.seconds, 3),
        "text": transcript.text,
    }
    if segments:
        found["segments"] = [
            {"id": number, "seek": 0, "start": one.start, "end": one.end, "text": one.text}
            for number, one in enumerate(transcript.segments)
        ]
    if words:
        found["words"] = [
            {"word": word.text, "start": word.start, "end": word.end}
            for one in transcript.segments
            for word in one.words
        ]
    return found


def _time(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _plain(text: str) -> str:
    """Text in which nothing is read as a mark."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("-->", "--&gt;")
