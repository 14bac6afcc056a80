"""Files with a character card in them: PNG, JSON and CHARX."""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import zipfile
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from jackfield import Character, InvalidRequest, JackfieldError

from . import pictures
from .cards import Card, Version, notes_on, own_version, read, version_of, write

Chunk: TypeAlias = tuple[bytes, bytes]

LARGEST = 20 * 1024 * 1024
"""Bytes of a file, of a card, and of a picture at most."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNKS = {b"ccv3": 3, b"chara": 2}
"""Keywords of the text chunks that hold a card, the one to be preferred first."""
DATA_URL = "data:image/"
EMBEDDED = ("embeded://", "embedded://")  # the specification's spelling, and the usual one


class CardFile(msgspec.Struct, frozen=True):
    """What a file brings.

    Attributes:
        picture: the whole picture, b"" if it has none.
        notes: what the user should know, in sentences.
    """

    character: Character
    picture: bytes = b""
    notes: tuple[str, ...] = ()


def read_file(data: bytes) -> CardFile:
    """The character in a file; what kind of file it is, is seen by its contents.

    Raises:
        InvalidRequest: it holds no card that can be read.
    """
    if len(data) > LARGEST:
        raise _refused(f"it has {len(data):,} bytes; the limit is {LARGEST:,}")
    if not data:
        raise _refused("it is empty")
    if data.startswith(SIGNATURE):
        return _read_png(data)
    if data.startswith(b"PK\x03\x04"):
        return _read_charx(data)
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        raise _refused("it is neither a PNG picture, nor JSON, nor a CHARX archive")
    card = parsed(data, "the file")
    return CardFile(read(card), _data_picture(card), tuple(notes_on(card)))


def to_json(character: Character, version: Version | None = None) -> bytes:
    """A JSON file of a character.

    Args:
        version: of the card; None for its own.
    """
    return json.dumps(write(character, version), ensure_ascii=False, indent=2).encode()


def to_png(character: Character, picture: bytes, version: Version | None = None) -> bytes:
    """A PNG file of a character; without a picture one with its first letter is drawn.

    Args:
        version: of the card; None for its own.
    """
    png = _png()
    version = version or own_version(character)
    card = json.dumps(write(character, version), ensure_ascii=False, separators=(",", ":"))
    keyword = next(name for name, one in CHUNKS.items() if one == version)
    text = keyword + b"\0" + base64.b64encode(card.encode())
    shown = pictures.as_png(picture) if picture else pictures.drawn(character.name)
    chunks = [one for one in _chunks(shown) if _keyword(one) not in CHUNKS]
    out = io.BytesIO()
    png.write_chunks(out, [*chunks[:-1], (b"tEXt", text), chunks[-1]])
    return out.getvalue()


def parsed(data: bytes, what: str) -> Any:
    """A JSON text.

    Args:
        what: holds it, for the error.

    Raises:
        InvalidRequest: it is not JSON, or cannot be written again as it is.
    """
    try:
        value = json.loads(data.decode("utf-8-sig"), parse_constant=_finite, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise _refused(f"{what} is not UTF-8 text (byte {error.start})") from error
    except UnicodeEncodeError as error:
        raise _refused(f"{what} has half a character in it") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _refused(f"{what} is not JSON: {error.msg} at {place}") from error
    except ValueError as error:
        raise _refused(f"{what} has a number that cannot be kept: {error}") from error
    except RecursionError as error:
        raise _refused(f"{what} is nested too deeply") from error
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text[:40])
    return number


def _read_png(data: bytes) -> CardFile:
    chunks = _chunks(data)
    texts = {_keyword(one): one[1].partition(b"\0")[2] for one in chunks}
    keyword = next((one for one in CHUNKS if one in texts), b"")
    if not keyword:
        raise _refused("this PNG picture has no card in it (no text chunk 'ccv3' or 'chara')")
    what = f"the text chunk '{keyword.decode()}'"
    try:
        plain = base64.b64decode(b"".join(texts[keyword].split()), validate=True)
    except binascii.Error as error:
        raise _refused(f"{what} is not base64: {error}") from error
    if len(plain) > LARGEST:
        raise _refused(f"{what} holds {len(plain):,} bytes; the limit is {LARGEST:,}")
    card = parsed(plain, what)
    picture = _without_cards(chunks)
    pictures.check(picture)
    return CardFile(read(card), picture, tuple(notes_on(card)))


def _png() -> Any:
    """The library that reads and writes the chunks of PNG pictures.

    Raises:
        JackfieldError: it is not installed.
    """
    try:
        import png
    except ImportError as error:
        raise JackfieldError(
            "Character cards in pictures need the package 'pypng', which is not installed.",
            hint="Install it: pip install 'jackfield[characters]'. Cards as JSON work without it.",
        ) from error
    return png


def _chunks(data: bytes) -> list[Chunk]:
    """The chunks of a PNG picture, checksums checked."""
    png = _png()
    try:
        return [(kind, body) for kind, body in png.Reader(bytes=data).chunks()]
    except (png.Error, EOFError) as error:
        raise _refused(f"this PNG picture is damaged: {error}") from error


def _keyword(chunk: Chunk) -> bytes:
    """Which card a chunk holds; b"" for none."""
    kind, body = chunk
    return body.partition(b"\0")[0].lower() if kind == b"tEXt" else b""


def _without_cards(chunks: Iterable[Chunk]) -> bytes:
    out = io.BytesIO()
    _png().write_chunks(out, [one for one in chunks if _keyword(one) not in CHUNKS])
    return out.getvalue()


def _read_charx(data: bytes) -> CardFile:
    """A CHARX archive: its card and main icon, no more of it unpacked than the limit."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            card = parsed(_member(archive, "card.json"), "'card.json'")
            character = read(card)
            icon = _main_icon(card)
            prefix = next((one for one in EMBEDDED if icon.startswith(one)), "")
            picture = _data_picture(card)
            if prefix and icon.removeprefix(prefix) in archive.namelist():
                picture = _member(archive, icon.removeprefix(prefix))
                pictures.check(picture)
            files = sum(not one.is_dir() for one in archive.infolist()) - 1 - bool(prefix)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise _refused(f"this CHARX archive cannot be unpacked: {error}") from error
    notes = notes_on(card)
    if files > 0:
        notes.append(f"{files} further files of this archive (assets) are not kept.")
    return CardFile(character, picture, tuple(notes))


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise _refused(f"this archive is no CHARX file: it has no {name!r}") from error
    with archive.open(info) as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST or info.file_size > LARGEST:
        raise _refused(f"{name!r} in this archive is larger than {LARGEST:,} bytes")
    return data


def _main_icon(card: Card) -> str:
    """Address of the picture that a card names."""
    data = card["data"] if version_of(card) == 3 else {}
    assets = data.get("assets")
    icons = [
        one
        for one in (assets if isinstance(assets, list) else ())
        if isinstance(one, dict) and one.get("type") == "icon" and isinstance(one.get("uri"), str)
    ]
    icons.sort(key=lambda one: one.get("name") != "main")
    return str(icons[0]["uri"]) if icons else ""


def _data_picture(card: Card) -> bytes:
    """The picture that a card holds itself; one that cannot be used is passed over."""
    uri = _main_icon(card)
    if not uri.startswith(DATA_URL):
        return b""
    try:
        picture = base64.b64decode(uri.partition(";base64,")[2], validate=True)
        pictures.check(picture)
    except (binascii.Error, InvalidRequest):
        return b""
    return picture


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"This file cannot be imported as a character: {why}.",
        hint="Character cards of version 1, 2 and 3 can be read, as PNG, JSON or CHARX.",
        param="file",
    )
