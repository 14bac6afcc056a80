"""espeak-ng: a robot's voice in more than a hundred languages, from the system's packages."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache

from jackfield import (
    InvalidRequest,
    JackfieldError,
    Plugin,
    Sound,
    SpeechSynthesizer,
    Voice,
    hookimpl,
)
from jackfield_plugins.speech.engine import ready, sample

PROGRAM = "espeak-ng"
WORDS_PER_MINUTE = 175  # its usual speed
SLOWEST, FASTEST = 80, 450  # what it takes
PATIENCE = 60.0  # seconds for some sentences
UNUSUAL = ("mb/", "!v/")  # voices of another program, and variants of voices


class Espeak(Plugin):
    """Speaks with espeak-ng, a small robot's voice for more than a hundred languages."""

    @hookimpl
    def jackfield_speech_synthesizers(self) -> list[SpeechSynthesizer]:
        """One engine."""
        return [EspeakSynthesizer()]


class EspeakSynthesizer(SpeechSynthesizer):
    """The engine: a program that is run for each text."""

    name = "espeak"
    title = "eSpeak NG"
    license = "GPL-3.0, a program of the system"

    def missing(self) -> str:
        """The program."""
        return "" if shutil.which(PROGRAM) else f"apt install {PROGRAM}"

    def voices(self) -> Sequence[Voice]:
        """One for each language, English first."""
        program = shutil.which(PROGRAM)
        return _voices(program) if program else []

    def speak(self, text: str, voice: str, *, speed: float = 1.0) -> Sound:
        """Speak; the slowest is 80 words a minute, the fastest 450."""
        ready(self.title, self.missing())
        if voice not in {one.name for one in self.voices()}:
            raise InvalidRequest(f"eSpeak NG has no voice {voice!r}.", hint="jackfield voices")
        words = min(max(round(WORDS_PER_MINUTE * speed), SLOWEST), FASTEST)
        command = [PROGRAM, "-v", voice, "-s", str(words), "--stdin", "--stdout"]
        try:
            done = subprocess.run(
                command, input=text.encode(), capture_output=True, timeout=PATIENCE, check=True
            )
        except subprocess.TimeoutExpired as error:
            raise JackfieldError(
                f"eSpeak NG did not finish within {PATIENCE:.0f} seconds."
            ) from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            raise JackfieldError(f"eSpeak NG failed: {said or error.returncode}") from error
        return _sound(done.stdout)


def _sound(wav: bytes) -> Sound:
    """What a WAV file holds that was written as it came, so that its lengths are not true."""
    at = wav.find(b"data")
    if at < 0:
        return Sound(b"", 22_050)
    return Sound(wav[at + 8 :], int.from_bytes(wav[24:28], "little"))


@lru_cache(maxsize=1)
def _voices(program: str) -> Sequence[Voice]:
    """What the program lists; languages begin with the fifth word of a line or before."""
    listed = subprocess.run(
        [program, "--voices"], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()[1:]]
    usual = [row for row in rows if len(row) >= 5 and not row[4].startswith(UNUSUAL)]
    voices = {
        row[1]: Voice(
            name=row[1],
            title=row[3].replace("_", " "),
            language=row[1],
            sample=sample(row[1]),
        )
        for row in usual
    }
    first = ("en-gb", "en-us")
    return sorted(voices.values(), key=lambda one: (one.name not in first, one.name))
