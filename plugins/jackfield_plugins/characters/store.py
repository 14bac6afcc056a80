"""Characters on disk: a folder each, with its card and pictures."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
import unicodedata
from pathlib import Path

import msgspec
import regex

from jackfield import Character, InvalidRequest, NotFound

from . import pictures
from .cards import read, write

ID = regex.compile(r"[a-z0-9][a-z0-9-]{0,63}")
CARD = "card.json"
PICTURE = "picture-"
SMALL = "small-"
TRASH = "trash"
KEPT_IN_TRASH = 20
OWN = Path(__file__).with_name("own")
OWN_NAMES = (
    "travel-advisor",
    "language-tutor",
    "storyteller",
    "code-reviewer",
    "interviewer",
    "devils-advocate",
    "kitchen-companion",
)

Stamp = tuple[int, int]


class Store:
    """Reads and writes characters; threads and processes may do so at once.

    A folder holds ``card.json``, a Character Card, and a picture whole and small, whose names
    change with them. Each file is replaced whole or not at all, the card last.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._read: dict[str, tuple[Stamp, Character]] = {}
        self._own: dict[str, Character] = {}

    # Those that come with Jackfield

    def own(self) -> dict[str, Character]:
        """The characters that come with Jackfield, by id."""
        with self._lock:
            if not self._own:
                self._own = {
                    name: read(json.loads((OWN / f"{name}.json").read_text("utf-8")), name)
                    for name in OWN_NAMES
                }
            return self._own

    # Those of the user

    def all(self) -> dict[str, Character]:
        """The user's characters by id, by name; one that cannot be read is passed over."""
        found = {}
        for path in self._folder.glob(f"*/{CARD}"):
            if ID.fullmatch(path.parent.name):
                try:
                    found[path.parent.name] = self.get(path.parent.name)
                except (InvalidRequest, NotFound):
                    continue
        return dict(sorted(found.items(), key=lambda one: one[1].name.casefold()))

    def get(self, id_: str) -> Character:
        """One of the user's characters.

        Raises:
            NotFound: there is none of that id.
            InvalidRequest: its file was damaged.
        """
        card = self._path(id_) / CARD
        try:
            stat = card.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            known = self._read.get(id_)
            if known is not None and known[0] == stamp:
                return known[1]
            value = json.loads(card.read_text(encoding="utf-8"))
            small = self._file(id_, SMALL)
            picture = small.read_bytes() if small is not None else b""
        except FileNotFoundError as error:
            raise _none(id_) from error
        except ValueError as error:
            raise InvalidRequest(f"The file {str(card)!r} is damaged: {error}.") from error
        character = msgspec.structs.replace(read(value, id_), picture=picture)
        self._read[id_] = (stamp, character)
        return character

    def picture(self, id_: str) -> bytes:
        """A character's whole picture, b"" for none."""
        self.get(id_)
        path = self._file(id_, PICTURE)
        return path.read_bytes() if path is not None else b""

    def create(self, character: Character, picture: bytes = b"") -> Character:
        """Keep a new character; it gets an id by its name."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".new-") as made:
            folder = Path(made) / "character"
            folder.mkdir()
            _write_pictures(folder, picture)
            (folder / CARD).write_bytes(_encoded(character))
            return self.get(self._place(folder, slug(character.name)))

    def update(self, character: Character, picture: bytes | None = None) -> Character:
        """Replace a character.

        Args:
            picture: a new picture, b"" for none from now on; None leaves it.
        """
        folder = self._path(character.id)
        self.get(character.id)
        written = set(_write_pictures(folder, picture)) if picture is not None else set()
        _replace(folder / CARD, _encoded(character))
        if picture is not None:
            self._read.pop(character.id, None)
            for path in folder.iterdir():
                if path.name.startswith((PICTURE, SMALL)) and path.name not in written:
                    path.unlink(missing_ok=True)
        return self.get(character.id)

    def delete(self, id_: str) -> None:
        """Put a character aside; :meth:`restore` brings it back."""
        self.get(id_)
        trash = self._folder / TRASH
        trash.mkdir(exist_ok=True)
        shutil.rmtree(trash / id_, ignore_errors=True)
        self._path(id_).rename(trash / id_)
        os.utime(trash / id_)
        self._read.pop(id_, None)
        aside = sorted(trash.iterdir(), key=lambda one: one.stat().st_mtime)
        for path in aside[:-KEPT_IN_TRASH]:
            shutil.rmtree(path, ignore_errors=True)

    def restore(self, id_: str) -> Character:
        """Bring a deleted character back, with another id if there is a new one of its own."""
        folder = self._folder / TRASH / id_
        if not ID.fullmatch(id_) or not (folder / CARD).is_file():
            raise NotFound(f"There is no deleted character {id_!r}.")
        return self.get(self._place(folder, id_))

    # Inside

    def _path(self, id_: str) -> Path:
        if not ID.fullmatch(id_) or id_ == TRASH:
            raise _none(id_)
        return self._folder / id_

    def _file(self, id_: str, prefix: str) -> Path | None:
        found = self._path(id_).glob(f"{prefix}*")
        return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)

    def _place(self, folder: Path, wanted: str) -> str:
        """Move a folder to the first free id like the one that is wanted."""
        taken = {TRASH, *self.own()}
        number = 1
        while True:
            id_ = wanted if number == 1 else f"{wanted}-{number}"
            number += 1
            if id_ in taken or (self._folder / id_).exists():
                continue
            try:
                folder.rename(self._folder / id_)
            except OSError:
                if not (self._folder / id_).exists():
                    raise
                continue  # somebody was faster
            return id_


def _write_pictures(folder: Path, picture: bytes) -> list[str]:
    """Write a picture and its small one; their names."""
    if not picture:
        return []
    pictures.check(picture)
    mark = hashlib.sha256(picture).hexdigest()[:12]
    named = {f"{PICTURE}{mark}": picture, f"{SMALL}{mark}": pictures.small(picture)}
    for name, data in named.items():
        _replace(folder / name, data)
    return list(named)


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _encoded(character: Character) -> bytes:
    return json.dumps(write(character), ensure_ascii=False, indent=1).encode()


def slug(name: str) -> str:
    """A name for files and addresses: ``Zoë the Bold`` becomes ``zoe-the-bold``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    kept = regex.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].strip("-")
    return kept or "character"


def _none(id_: str) -> NotFound:
    return NotFound(
        f"There is no character {id_!r}.", hint="See which there are: jackfield characters list"
    )
