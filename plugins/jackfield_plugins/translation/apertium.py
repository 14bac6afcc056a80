"""Translation with Apertium, a program that follows rules."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from jackfield import Field, InvalidRequest, JackfieldError, Plugin, Reach, Translator, hookimpl
from jackfield_plugins.translation.languages import long, name_of, short

PROGRAM = "apertium"
INSTALL = "apt install apertium apertium-eng-spa"
BELIEVED = 30.0
"""Seconds for which the pairs that the program listed are believed."""
LISTING = 20.0
AT_ONCE = 1000
"""Sentences given to one run of the program."""


class Apertium(Plugin):
    """Translates with Apertium, if that is installed: by rules, fast, small, less fluent."""

    reach = Reach(files=("the program apertium and its data",))

    class Config(Plugin.Config):
        """Options of the engine."""

        seconds: float = Field(
            60, gt=0, le=3600, title="Time limit", description="Seconds for up to 1,000 sentences"
        )

    @hookimpl
    def jackfield_translators(self) -> list[Translator]:
        """One engine."""
        return [ApertiumTranslator(lambda: float(self.config.seconds))]


class ApertiumTranslator(Translator):
    """The program ``apertium``, run once for some sentences.

    Args:
        limit: seconds that a run may take.
    """

    name = "apertium"
    title = "Apertium (rules)"

    def __init__(self, limit: Callable[[], float]) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], str] = {}
        self._looked = -BELIEVED

    def missing(self) -> str:
        """The packages, if the program is not there."""
        return "" if shutil.which(PROGRAM) else INSTALL

    def pairs(self) -> Sequence[tuple[str, str]]:
        """What the program lists."""
        return () if self.missing() else list(self._modes())

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translate sentences, each as a paragraph of its own."""
        mode = "" if self.missing() else self._modes().get((source, target), "")
        if not mode:
            raise InvalidRequest(
                f"Apertium has no data from {name_of(source)} to {name_of(target)} here.",
                hint=self.missing()
                or f"apt-cache search apertium | grep -e {long(source)} -e {long(target)}",
            )
        done: list[str] = []
        for at in range(0, len(texts), AT_ONCE):
            done += self._translated(mode, [" ".join(one.split()) for one in texts[at:][:AT_ONCE]])
        return done

    def _translated(self, mode: str, texts: list[str]) -> list[str]:
        """Translate lines; the blank lines between them keep them apart for the program."""
        said = self._run(["-u", mode], "\n\n".join(texts) + "\n").removesuffix("\n").split("\n\n")
        if len(said) == len(texts):
            return [" ".join(one.split()) for one in said]
        if len(texts) == 1:
            return [" ".join(" ".join(said).split())]
        return [one for text in texts for one in self._translated(mode, [text])]

    def _modes(self) -> dict[tuple[str, str], str]:
        """Pairs, each with what the program calls it; the plain one before its variants."""
        with self._lock:
            if time.monotonic() - self._looked >= BELIEVED:
                found: dict[tuple[str, str], str] = {}
                for mode in sorted(self._run(["-l"], "").split(), key=len):
                    source, _, target = mode.partition("-")
                    pair = (short(source), short(target))
                    if all(pair) and pair[0] != pair[1]:
                        found.setdefault(pair, mode)
                self._known, self._looked = found, time.monotonic()
            return self._known

    def _run(self, arguments: list[str], text: str) -> str:
        """What the program prints.

        Raises:
            JackfieldError: it failed, or took too long.
        """
        limit = self._limit() if text else LISTING
        try:
            done = subprocess.run(
                [PROGRAM, *arguments],
                input=text.encode(),
                capture_output=True,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise JackfieldError(
                f"Apertium took longer than {limit:g} seconds.",
                hint="Its time limit is in the options of the plugin 'apertium'.",
            ) from error
        except OSError as error:
            raise JackfieldError(f"Apertium cannot be started: {error}.", hint=INSTALL) from error
        # Listing ends with code 1, as its usage does.
        if done.returncode and text:
            words = done.stderr.decode(errors="replace").strip()[-300:]
            raise JackfieldError(f"Apertium failed with code {done.returncode}: {words}")
        return done.stdout.decode(errors="replace")
