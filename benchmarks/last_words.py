"""What a process wrote before it failed."""

from __future__ import annotations

from typing import IO

LENGTH = 2000
"""Bytes that are shown of it."""


def last_words(file: IO[bytes]) -> str:
    """The end of a file that a process writes its errors to."""
    end = file.seek(0, 2)
    file.seek(max(0, end - LENGTH))
    return file.read().decode(errors="replace").strip() or "it said nothing"
