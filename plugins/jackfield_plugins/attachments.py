"""Gives the model the text of attached files that it cannot take as they are."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield import (
    Document,
    DocumentReader,
    Field,
    JackfieldError,
    MediaPart,
    Message,
    Plugin,
    TextPart,
    hookimpl,
    reader_for,
)

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield.pipeline import Turn
    from jackfield.plugin import PluginContext

ABILITIES = {"image": "vision", "audio": "audio"}
"""What a model must be able to do to take a kind of media itself."""
ENDINGS = {"image/jpeg": "jpg", "text/plain": "txt", "audio/mpeg": "mp3", "image/svg+xml": "svg"}
"""Endings of files by media type, where they differ from the type's second half."""
HINTS = {
    "image": "Enable the plugin 'ocr', which reads the text in pictures, or choose a model that "
    "sees.",
    "audio": "Choose a model that hears.",
    "video": "Send single pictures of it.",
}
"""What to do by kind of media where nothing reads it."""
CHARACTERS_PER_TOKEN = 16
"""More than in any text, to cut it before its tokens are counted."""
KEPT = 64
KEPT_CHARACTERS = 20_000_000
"""How many read files are remembered, and how long they are together."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of reading a file.

    Attributes:
        document: None if it could not be read.
        reader: what read it, or would have.
        problem: why it could not be read, "" if it could.
        lasting: it would be the same the next time.
    """

    document: Document | None = None
    reader: str = ""
    problem: str = ""
    hint: str = ""
    lasting: bool = True


class Place(msgspec.Struct, frozen=True):
    """A file in the conversation.

    Attributes:
        last: it came with the message that is answered now.
    """

    message: int
    part: int
    media: MediaPart
    name: str
    last: bool


class Remembered:
    """Outcomes by what was read, those used last; its methods may be called by threads."""

    def __init__(self) -> None:
        self._outcomes: OrderedDict[str, Outcome] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Outcome | None:
        """What is remembered."""
        with self._lock:
            if key in self._outcomes:
                self._outcomes.move_to_end(key)
            return self._outcomes.get(key)

    def put(self, key: str, outcome: Outcome) -> None:
        """Remember an outcome, and forget those that there is no room for."""
        with self._lock:
            self._outcomes[key] = outcome
            while len(self._outcomes) > 1 and (
                len(self._outcomes) > KEPT or self._length() > KEPT_CHARACTERS
            ):
                self._outcomes.popitem(last=False)

    def _length(self) -> int:
        documents = (one.document for one in self._outcomes.values() if one.document is not None)
        return sum(len(section.text) for one in documents for section in one.sections)


class Attachments(Plugin):
    """Gives the model the text of attached files, and pictures where it can see."""

    requires_api = ">=1,<2"

    class Config(Plugin.Config):
        """How much of the files the model reads."""

        share: float = Field(
            0.5,
            ge=0.05,
            le=0.9,
            title="Share of the context",
            description="Most of the model's context that the text of attached files may fill",
        )

    _app: Application | None = None

    def __init__(self, config: Plugin.Config, context: PluginContext) -> None:
        super().__init__(config, context)
        self._remembered = Remembered()

    @hookimpl
    def jackfield_started(self, app: Application) -> None:
        """Note where readers are to be asked for."""
        self._app = app

    @hookimpl
    async def jackfield_transform_messages(
        self, messages: Sequence[Message], turn: Turn
    ) -> Sequence[Message] | None:
        """Put text in the place of files that the model does not take; the latest come first."""
        places = _unreadable(messages, turn)
        if not places or turn.info is None:
            return None
        room = int(turn.info.context_length * self.config.share)
        texts: dict[tuple[int, int], str] = {}
        rows: list[dict[str, Any]] = []
        for number in sorted({place.message for place in places}, reverse=True):
            group = [place for place in places if place.message == number]
            room -= await self._read_group(group, turn, room, texts, rows)
        turn.accounts[self.context.name] = rows
        return [_with_texts(one, number, texts) for number, one in enumerate(messages)]

    async def _read_group(
        self,
        group: Sequence[Place],
        turn: Turn,
        room: int,
        texts: dict[tuple[int, int], str],
        rows: list[dict[str, Any]],
    ) -> int:
        """The files of one message: each may have an equal part of the room, or what is left.

        Returns the number of tokens that they are.
        """
        import anyio.to_thread

        found = [(place, await anyio.to_thread.run_sync(self._read, place)) for place in group]
        used = 0
        by_length = sorted(found, key=lambda one: _length(one[1]))
        for done, (place, outcome) in enumerate(by_length):
            part = max(room - used, 0) // (len(by_length) - done)
            row = {
                "file": place.name,
                "kind": place.media.media_type,
                "reader": outcome.reader,
                "pages": 0,
                "characters": 0,
                "tokens": 0,
                "told": outcome.problem,
            }
            if outcome.document is None:
                _tell_problem(turn, place, outcome)
                text = f"(The attached file {place.name!r} could not be read.)"
            else:
                text, tokens = await _fitted(outcome.document, place, turn, part, row)
                used += tokens
            texts[place.message, place.part] = text
            rows.append(row)
        return used

    def _read(self, place: Place) -> Outcome:
        """Read a file, or remember what came of it before. Runs in a thread."""
        readers = self._app.plugins.document_readers() if self._app is not None else ()
        reader = _reader(readers, place)
        if reader is None:
            ending = place.name.rpartition(".")[2].lower() if "." in place.name else ""
            kind = f".{ending} files" if ending else f"files of the type {place.media.media_type}"
            hint = HINTS.get(
                _kind(place.media), "Save it as text or PDF, or in another known form."
            )
            return Outcome(problem=f"no enabled plugin reads {kind}", hint=hint, lasting=False)
        if install := reader.missing():
            what = f"what reads {reader.title[:1].lower()}{reader.title[1:]} is not installed"
            return Outcome(None, reader.name, what, f"Install it: {install}", lasting=False)
        digest = hashlib.sha256(place.media.data).hexdigest()
        key = f"{reader.name} {place.name} {digest}"
        known = self._remembered.get(key)
        if known is not None:
            return known
        outcome = _outcome(reader, place)
        if outcome.lasting:
            self._remembered.put(key, outcome)
        return outcome


def _unreadable(messages: Sequence[Message], turn: Turn) -> list[Place]:
    """The files in messages of the user that the model does not take itself."""
    can = turn.info.capabilities if turn.info is not None else frozenset()
    last = max((place for place, one in enumerate(messages) if one.role == "user"), default=-1)
    found = []
    for number, one in enumerate(messages):
        for place, part in enumerate(one.parts if one.role == "user" else ()):
            if not isinstance(part, MediaPart):
                continue
            if ABILITIES.get(_kind(part), "nothing") in can:
                continue
            found.append(Place(number, place, part, _name(part, place), number == last))
    return found


def _kind(part: MediaPart) -> str:
    return part.media_type.partition("/")[0]


def _name(part: MediaPart, place: int) -> str:
    """What a file is called; one without a name is called by its kind."""
    if part.name:
        return part.name
    kind, _, form = part.media_type.partition("/")
    return f"{kind}-{place + 1}.{ENDINGS.get(part.media_type, form.rpartition('.')[2])}"


def _reader(readers: Sequence[DocumentReader], place: Place) -> DocumentReader | None:
    """What reads a file; what looks like text is read as that."""
    found = reader_for(readers, place.name, place.media.media_type)
    if found is not None or _kind(place.media) in HINTS or b"\0" in place.media.data[:10_000]:
        return found
    try:
        place.media.data.decode()
    except UnicodeDecodeError:
        return None
    return reader_for(readers, "", "text/plain")


def _outcome(reader: DocumentReader, place: Place) -> Outcome:
    """Read a file by way of a temporary one."""
    ending = Path(place.name).suffix
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"file{ending if ending[1:].isalnum() else ''}")
        path.write_bytes(place.media.data)
        try:
            return Outcome(reader.read(path, name=place.name), reader.name)
        except JackfieldError as error:
            return Outcome(None, reader.name, error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - a reader is another plugin's code
            what = f"its reader failed: {type(error).__name__}: {error}"
            return Outcome(None, reader.name, what, lasting=False)


def _tell_problem(turn: Turn, place: Place, outcome: Outcome) -> None:
    if not place.last:
        return  # it was told when the file came
    words = outcome.problem.rstrip(".")
    if place.name not in words:
        words = f"The file {place.name!r} cannot be read: {words}"
    turn.tell(f"{words}. {outcome.hint}".strip(), "warning")


def _length(outcome: Outcome) -> int:
    if outcome.document is None:
        return 0
    return sum(len(section.text) for section in outcome.document.sections)


async def _fitted(
    document: Document, place: Place, turn: Turn, room: int, row: dict[str, Any]
) -> tuple[str, int]:
    """A file's text as the model reads it, cut to a number of tokens, and how many it is."""
    whole = _body(document)
    body, tokens = await _cut(whole, turn, room)
    pages = max((section.page for section in document.sections), default=0)
    notes = [*document.notes]
    if len(body) < len(whole):
        share = len(body) / len(whole)
        notes.append(f"Only the first {share:.0%} fits into the model's context.")
    row |= {"pages": pages, "characters": len(whole), "tokens": tokens, "told": " ".join(notes)}
    if place.last:
        for note in notes:
            turn.tell(f"{place.name}: {note}", "warning")
    if not body.strip() and whole.strip():
        return f"(There is no room for the text of the attached file {place.name!r}.)", tokens
    if not body.strip():
        return f"(The attached file {place.name!r} has no text that could be read.)", tokens
    left_out = "\n[The rest is left out.]" if len(body) < len(whole) else ""
    about = f" ({pages} pages)" if pages > 1 else ""
    return (
        f"Attached file {place.name!r}{about}:\n{body}{left_out}\n[End of {place.name!r}]",
        tokens,
    )


def _body(document: Document) -> str:
    """The sections, a mark before each new page."""
    pieces, page = [], 0
    for section in document.sections:
        if section.page and section.page != page:
            page = section.page
            pieces.append(f"[Page {page}]\n{section.text}")
        else:
            pieces.append(section.text)
    return "\n\n".join(pieces)


async def _cut(text: str, turn: Turn, room: int) -> tuple[str, int]:
    """As much of a text as fits into a number of tokens, ending with a whole line if it can."""
    if room <= 0:
        return "", 0
    kept = text[: room * CHARACTERS_PER_TOKEN]
    tokens = await turn.count(kept)
    while tokens > room:
        shorter = kept[: int(len(kept) * room / tokens * 0.98)]
        kept = shorter[: shorter.rfind("\n") + 1] if "\n" in shorter[-2000:] else shorter
        tokens = await turn.count(kept) if kept else 0
    return kept.rstrip("\n") if len(kept) < len(text) else kept, tokens


def _with_texts(one: Message, number: int, texts: dict[tuple[int, int], str]) -> Message:
    """A message with what was read before what the user wrote, as one text."""
    mine = [texts[number, place] for place in range(len(one.parts)) if (number, place) in texts]
    if not mine:
        return one
    kept = tuple(
        part
        for place, part in enumerate(one.parts)
        if isinstance(part, MediaPart) and (number, place) not in texts
    )
    text = "\n\n".join(filter(str.strip, [*mine, one.text]))
    return msgspec.structs.replace(one, parts=(TextPart(text), *kept))
