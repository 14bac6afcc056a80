"""Cutting documents into chunks by structure and tokens, headings kept."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jackfield import Document, JackfieldError, Section
from jackfield_plugins.knowledge.records import Chunk

if TYPE_CHECKING:
    from jackfield_plugins.knowledge.embedder import Embedder

MARGIN = 8
"""Tokens left free for what a model adds to a text."""
LEAST = 16
"""Least tokens of a chunk, however long its heading is."""
STEP = 16
"""Less room than usual is rounded down to so many tokens, so that few splitters are needed."""
SPLITTERS = 2
"""Splitters that are kept at most."""
CHARACTERS = 3
"""Characters of a token, at first, where a model's tokenizer is not at hand: few, to be safe."""
JOINT = " › "
HEADING = re.compile(r"^(#{1,6})[ \t]+(\S.*)$", re.MULTILINE)
CLOSING = re.compile(r"[ \t]+#+$")
LONGEST = 1_000
"""Characters of a heading that are looked at; more would take long, and none has more."""
FENCE = re.compile(r"^(```|~~~).*?(?:^\1[`~]*\s*$|\Z)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


class Chunker:
    """Cuts documents for one embedding model.

    Where the model's folder has a ``tokenizer.json``, tokens are counted with it and no chunk can
    be too long. Elsewhere (GGUF, remote servers) a text is cut by characters, each chunk is
    counted once by the model itself, and one that is too long is cut again.
    """

    def __init__(self, embedder: Embedder, tokens: int, overlap: int) -> None:
        self._embedder = embedder
        self._most = max(LEAST, min(tokens, embedder.limit - MARGIN))
        self._overlap = overlap
        self._splitters: dict[tuple[str, int], Any] = {}

    def chunks(self, document: Document) -> list[Chunk]:
        """The chunks of a document in their order."""
        raw: list[tuple[str, str, int, int]] = []
        start = 0
        for section in document.sections:
            for heading, at, text in self._cut(document, section):
                raw.append((heading, text, section.page, start + at))
            start += len(section.text) + 2
        counts = self._embedder.count([_embedded(one[0], one[1]) for one in raw]) if raw else []
        return [
            Chunk(number=number, heading=heading, text=text, page=page, start=at, tokens=count)
            for number, ((heading, text, page, at), count) in enumerate(
                zip(raw, counts, strict=True)
            )
        ]

    def _cut(self, document: Document, section: Section) -> Iterator[tuple[str, int, str]]:
        """Heading, place and text of each chunk of a section."""
        if not section.text.strip():
            return
        headings = [] if document.language else list(_headings(section.text))
        at_start = _joined(document.title, section.heading)
        longest = max((at_start, *(_joined(at_start, one) for _, one in headings)), key=len)
        room = self._room(longest)
        places = [at for at, _ in headings]
        for at, text in self._pieces(document.language, section.text, room):
            first = bisect_right(places, at + len(text) - len(text.lstrip())) - 1
            last = bisect_left(places, at + len(text))
            within = [headings[place][1] if place >= 0 else "" for place in range(first, last)]
            yield self._short(_joined(at_start, _common(within))), at, text

    def _room(self, heading: str) -> int:
        """Tokens for the text of a chunk under a heading."""
        used = self._embedder.count([self._short(heading)])[0]
        room = min(self._most, self._embedder.limit - MARGIN - used)
        return max(LEAST, room if room == self._most else room // STEP * STEP)

    def _short(self, heading: str) -> str:
        """A heading that leaves most of the room to the text."""
        longest = self._embedder.limit
        return heading if len(heading) <= longest else f"{heading[: longest - 1]}…"

    def _pieces(self, language: str, text: str, room: int) -> Iterator[tuple[int, str]]:
        if self._embedder.tokenizer is not None:
            yield from self._kept(language, room).chunk_indices(text)
            return
        splitter = self._splitter(language, room * CHARACTERS, None)
        found = splitter.chunk_indices(text)
        counts = self._embedder.count([one for _, one in found])
        for (at, piece), count in zip(found, counts, strict=True):
            if count <= room or len(piece) < 2:
                yield at, piece
                continue
            fewer = max(1, len(piece) * room // count // 2)
            for more, part in self._splitter(language, fewer, None).chunk_indices(piece):
                yield at + more, part

    def _kept(self, language: str, room: int) -> Any:
        """A splitter that counts with the tokenizer, of which it makes a copy: that takes long."""
        if (language, room) not in self._splitters:
            if len(self._splitters) >= SPLITTERS:
                self._splitters.clear()
            made = self._splitter(language, room, self._embedder.tokenizer)
            self._splitters[language, room] = made
        return self._splitters[language, room]

    def _splitter(self, language: str, capacity: int, tokenizer: Any) -> Any:
        try:
            import semantic_text_splitter as splitters
        except ImportError as error:
            raise JackfieldError(
                f"Documents cannot be cut into chunks: {error}.",
                hint="Install what is missing: pip install 'jackfield[knowledge]'",
            ) from error
        kind: Any = splitters.TextSplitter if language else splitters.MarkdownSplitter
        before: tuple[Any, ...] = ()
        grammar = _grammar(language) if language else None
        if grammar is not None:
            kind, before = splitters.CodeSplitter, (grammar,)
        if tokenizer is not None:
            overlap = min(self._overlap, capacity // 2)
            return kind.from_huggingface_tokenizer(*before, tokenizer, capacity, overlap=overlap)
        overlap = min(self._overlap * CHARACTERS, capacity // 2)
        return kind(*before, capacity, overlap=overlap)


def _grammar(language: str) -> Any:
    """The tree-sitter grammar of a language, if its package is installed; None otherwise."""
    try:
        return import_module(f"tree_sitter_{language}").language()
    except (ImportError, AttributeError):
        return None


def _headings(text: str) -> Iterator[tuple[int, str]]:
    """Where each heading of a Markdown text begins, with those above it."""
    fences = [found.span() for found in FENCE.finditer(text)]
    above: list[tuple[int, str]] = []
    for found in HEADING.finditer(text):
        if any(begin <= found.start() < end for begin, end in fences):
            continue
        level = len(found[1])
        above = [one for one in above if one[0] < level]
        title = LINK.sub(r"\1", CLOSING.sub("", found[2][:LONGEST].rstrip()))
        above.append((level, title.strip("*_` ")))
        yield found.start(), JOINT.join(one for _, one in above)


def _joined(outer: str, inner: str) -> str:
    """Headings one below the other, none said twice."""
    parts: list[str] = []
    for one in [*outer.split(JOINT), *inner.split(JOINT)]:
        if one and one not in parts:
            parts.append(one)
    return JOINT.join(parts)


def _common(headings: Sequence[str]) -> str:
    """What all headings stand under: a passage may hold several short sections."""
    paths = [one.split(JOINT) for one in headings]
    shared: list[str] = []
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return JOINT.join(shared)


def _embedded(heading: str, text: str) -> str:
    return Chunk(number=0, heading=heading, text=text).embedded
