"""A TOML file: read with the place of a mistake, and replaced whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jackfield.errors import SettingsError

HEADER = re.compile(r"\s*\[+\s*([^\[\]]+?)\s*\]+\s*(?:#.*)?$")
PLACE = re.compile(r"\s*\(at line (\d+), column (\d+)\)")


def read(path: Path, hint: str) -> tuple[str, dict[str, Any]]:
    """The text of a file and what it says; "" and {} where there is none.

    Raises:
        SettingsError: it cannot be read or does not parse; ``details`` has ``line``, ``column``.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return "", {}
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise _unreadable(path, "this is not UTF-8 text", line, column, hint) from error
    except OSError as error:
        raise SettingsError(
            f"The file {str(path)!r} cannot be read: {error.strerror}.",
            hint="Check its permissions.",
        ) from error
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = PLACE.search(str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        column = int(place[2]) if place else len(text) - text.rfind("\n")
        words = PLACE.sub("", str(error)).removesuffix(" (at end of document)")
        raise _unreadable(path, words, line, column, hint) from error


def _unreadable(path: Path, words: str, line: int, column: int, hint: str) -> SettingsError:
    return SettingsError(
        f"The file {str(path)!r} cannot be read: line {line}, column {column}: {words}.",
        hint=hint,
        line=line,
        column=column,
    )


def place_of(text: str, key: Sequence[str]) -> tuple[int, int]:
    """Line and column where a key is set, or its nearest enclosing table; (0, 0) if nowhere."""
    best, place = 0, (0, 0)
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        header = HEADER.match(line)
        if header:
            table = _parts(header[1])
            found = table
        elif "=" in line:
            found = [*table, *_parts(line.partition("=")[0])]
        else:
            continue
        if best < len(found) <= len(key) and found == list(key[: len(found)]):
            best, place = len(found), (number, len(line) - len(line.lstrip()) + 1)
    return place


def _parts(key: str) -> list[str]:
    """The parts of a dotted key as it stands in a file; none if it is not one."""
    try:
        value: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return []
    parts = []
    while isinstance(value, dict):
        name, value = next(iter(value.items()))
        parts.append(name)
    return parts


def stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file does; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def write(path: Path, text: str, *, private: bool = False) -> None:
    """Replace a file at once: whoever reads sees the old text or the new one, never a part.

    A link stays a link, and permissions stay as they were.

    Args:
        private: only the owner may read it.

    Raises:
        SettingsError: it could not be written; the old file is unchanged.
    """
    path = path.resolve()
    name = ""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, which JSON can say
        raise SettingsError(
            "A value has half a character in it, which cannot be kept.", hint="Nothing was changed."
        ) from error
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if not private:
            Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(name).replace(path)
        _settle(path.parent)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise SettingsError(
            f"The file {str(path)!r} could not be written: {error.strerror}.",
            hint="What was there before is unchanged. Check the disk and the permissions.",
        ) from error


def _settle(folder: Path) -> None:
    """Make a rename outlast a power cut, where the system lets a folder be opened."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
