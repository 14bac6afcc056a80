"""Which engine translates a pair of languages, through which others, and what it has said."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from jackfield import InvalidRequest, Translator
from jackfield_plugins.translation.cutting import Cutter
from jackfield_plugins.translation.languages import name_of
from jackfield_plugins.translation.opus import repository
from jackfield_plugins.translation.sentences import translated

THROUGH = "en"
"""The language that lies between two that no engine translates directly."""
BREAK = re.compile(r"\s*\n\s*")
"""A line break within a sentence, with the spaces around it."""
KEPT = 20_000
"""Sentences whose translations are remembered."""


class Step(msgspec.Struct, frozen=True):
    """One translation by one engine."""

    engine: str
    source: str
    target: str


class Engines:
    """The engines that are there, with a memory of what they translated.

    Args:
        supplied: the engines by name.
        preferred: the name of the one to take where several can.
    """

    def __init__(
        self, supplied: Callable[[], Mapping[str, Translator]], preferred: Callable[[], str]
    ) -> None:
        self._supplied = supplied
        self._preferred = preferred
        self._memory = Memory()

    def pairs(self) -> list[Step]:
        """Every direct pair of every engine, the preferred engine first."""
        return [
            Step(engine.name, source, target)
            for engine in self._ordered()
            for source, target in engine.pairs()
        ]

    def languages(self) -> set[str]:
        """All that some engine reads or writes.

        Raises:
            InvalidRequest: there is none; the hint tells how to get some.
        """
        found = {code for step in self.pairs() for code in (step.source, step.target)}
        if not found:
            lacking = [f"{one.title}: {one.missing()}" for one in self._ordered() if one.missing()]
            raise InvalidRequest(
                "There is nothing here that translates.",
                hint="; or ".join([*lacking, f"jackfield models pull {repository('fr', 'en')}"]),
            )
        return found

    def route(self, source: str, target: str) -> list[Step]:
        """How to get from one language to another: directly, or through English.

        Raises:
            InvalidRequest: there is no way; the hint tells how to get one.
        """
        pairs = self.pairs()
        direct = self._step(pairs, source, target)
        if direct is not None:
            return [direct]
        if THROUGH not in (source, target):
            into, out = (
                self._step(pairs, source, THROUGH),
                self._step(pairs, THROUGH, target),
            )
            if into is not None and out is not None:
                return [into, out]
        raise self._no_way(source, target)

    def check(self, pairs: Sequence[tuple[str, str]]) -> None:
        """See that all pairs can be translated.

        Raises:
            InvalidRequest: some cannot; it tells of each of them.
        """
        failures = []
        for source, target in pairs:
            try:
                self.route(source, target)
            except InvalidRequest as error:
                failures.append(error)
        if failures:
            raise InvalidRequest(
                " ".join(error.message for error in failures),
                hint=" ".join(f"{error.hint}." for error in failures),
            )

    def translate(self, text: str, source: str, target: str, *, markdown: bool = True) -> str:
        """Translate a text of any length; what is not words stays as it is.

        Raises:
            InvalidRequest: no engine has the pair.
            JackfieldError: an engine failed, or something is not installed.
        """
        cutter = Cutter(source, markdown=markdown)
        cuts = [*cutter.feed(text), *cutter.finish()]
        sentences = [one.text for one in cuts if one.words]
        spoken = iter(self.sentences(sentences, source, target, markdown=markdown))
        return "".join(next(spoken) if one.words else one.text for one in cuts)

    def sentences(
        self, sentences: Sequence[str], source: str, target: str, *, markdown: bool = True
    ) -> list[str]:
        """Translate sentences; those that were translated before are remembered.

        Raises:
            InvalidRequest: no engine has the pair.
            JackfieldError: an engine failed.
        """
        if not sentences:
            return []
        done = [BREAK.sub(" ", one.strip()) for one in sentences]  # code may have more spaces
        for step in self.route(source, target):
            done = self._done(done, step, markdown=markdown)
        return done

    def forget(self) -> None:
        """Forget all translations."""
        self._memory.clear()

    def _done(self, sentences: list[str], step: Step, *, markdown: bool) -> list[str]:
        known = {text: self._memory.get((step, markdown, text)) for text in sentences}
        new = [text for text, said in known.items() if said is None]
        if new:
            engine = self._supplied()[step.engine]
            made = translated(
                new,
                lambda texts: engine.translate(texts, step.source, step.target),
                markdown=markdown,
            )
            for text, said in zip(new, made, strict=True):
                self._memory.put((step, markdown, text), said)
                known[text] = said
        return [known[text] or text for text in sentences]

    def _ordered(self) -> list[Translator]:
        first = self._preferred()
        return sorted(self._supplied().values(), key=lambda one: one.name != first)

    def _step(self, pairs: Sequence[Step], source: str, target: str) -> Step | None:
        return next((one for one in pairs if (one.source, one.target) == (source, target)), None)

    def _no_way(self, source: str, target: str) -> InvalidRequest:
        """What every engine says that it lacks."""
        hints = []
        for engine in self._ordered():
            try:
                engine.translate([], source, target)
            except InvalidRequest as error:
                hints.append(f"{engine.title}: {error.hint}")
        return InvalidRequest(
            f"Nothing here translates {name_of(source)} to {name_of(target)}.",
            hint="; or ".join(hints) or "Enable an engine, e.g.: jackfield plugins enable marian",
            param="source",
            source=source,
            target=target,
        )


class Memory:
    """The latest translations."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Step, bool, str], str] = OrderedDict()

    def get(self, key: tuple[Step, bool, str]) -> str | None:
        """A translation, None if it is not known."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[Step, bool, str], said: str) -> None:
        """Remember one; the one that was not asked for the longest goes."""
        with self._lock:
            self._kept[key] = said
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
