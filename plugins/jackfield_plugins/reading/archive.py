"""What is a ZIP archive inside: looked at before anything is unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from jackfield_plugins.reading.text import Refused, looks_like

MOST_FILES = 20_000
LARGEST = 500_000_000
"""Bytes, unpacked."""
SAFE = 20_000_000
"""Bytes, unpacked, up to which any ratio is fine."""
RATIO = 100
"""Bytes unpacked for each byte packed; office documents have up to about 30."""
INSIDE = {
    "docx": "word/document.xml",
    "pptx": "ppt/presentation.xml",
    "xlsx": "xl/workbook.xml",
    "epub": "META-INF/container.xml",
}
"""A file that each format has."""
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def check_archive(path: Path, kind: str) -> None:
    """See that a file is what it should be, and no bomb.

    Raises:
        Refused: it is not.
    """
    with path.open("rb") as file:
        begins = file.read(16)
    if begins.startswith(OLE):
        raise Refused(
            f"is protected by a password, or in an older format than .{kind}",
            f"Open it, remove the password, and save it as .{kind}.",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
        looks = looks_like(begins)
        if looks and not begins.startswith(b"PK"):
            raise Refused(f"is {looks}, not a .{kind} file", "Give it the right ending.") from error
        raise Refused(
            f"is damaged or no .{kind} file: its ZIP directory cannot be read", "Get it anew."
        ) from error
    size = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_FILES or size > LARGEST:
        raise Refused(
            f"would unpack to {len(entries):,} files of {size:,} bytes; the limits are "
            f"{MOST_FILES:,} and {LARGEST:,}",
            "If you trust it, take out what it does not need, such as pictures.",
        )
    packed = max(path.stat().st_size, 1)
    if size > SAFE and size / packed > RATIO:
        raise Refused(
            f"would unpack to {size:,} bytes, {size // packed} times its size, as only files do "
            "that are made to fill a computer's memory",
            "If you trust it, save it anew with the program that it was made with.",
        )
    if INSIDE[kind] not in {entry.filename for entry in entries}:
        other = next((one for one, inside in INSIDE.items() if _has(entries, inside)), "")
        raise Refused(
            f"is a .{other} file, not a .{kind} file" if other else f"is no .{kind} file",
            "Give it the right ending.",
        )


def _has(entries: list[zipfile.ZipInfo], name: str) -> bool:
    return any(entry.filename == name for entry in entries)
