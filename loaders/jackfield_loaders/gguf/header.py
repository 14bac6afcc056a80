"""A look at a GGUF file before native code reads it, so that a broken one is named as such."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from jackfield import ModelFileError

MAGIC = b"GGUF"
STRING, ARRAY = 8, 9
SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of the scalar value types, by number."""

MOST = 1 << 24
"""More keys, tensors or array items than this is a sign of a corrupt count."""


def check(path: Path) -> None:
    """See that the file is GGUF and holds all its tensors.

    Raises:
        ModelFileError: it is missing, not GGUF, damaged, or shorter than its tensors.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            end = _Header(file, path, size).end()
    except OSError as error:
        raise ModelFileError(
            f"{path.name!r} cannot be read: {error.strerror or error}.", path=str(path)
        ) from error
    if end > size:
        raise ModelFileError(
            f"{path.name!r} is cut short: its tensors need {end:,} bytes and it has {size:,}.",
            hint="Download it again.",
            path=str(path),
        )


class _Header:
    """Reads through the header once, keeping nothing but where the last tensor ends."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self._file = file
        self._path = path
        self._size = size
        self._order = "<"

    def end(self) -> int:
        """Bytes the file must have for all its tensors."""
        if (magic := self._file.read(4)) != MAGIC:
            begins = f"it begins with {magic!r}, not {MAGIC!r}" if magic else "it is empty"
            raise ModelFileError(
                f"{self._path.name!r} is not a GGUF file: {begins}.",
                hint="Choose a model in GGUF format, or download the file again.",
                path=str(self._path),
            )
        try:
            return self._read()
        except (struct.error, ValueError, KeyError, OverflowError) as error:
            raise ModelFileError(
                f"{self._path.name!r} is damaged or cut short: its header ends or makes no sense "
                f"at byte {min(self._file.tell(), self._size):,} of {self._size:,}.",
                hint="Download it again.",
                path=str(self._path),
            ) from error

    def _read(self) -> int:
        version = self._number("I")
        if version & 0xFFFF == 0:
            self._order = ">"
            version = int.from_bytes(version.to_bytes(4, "big"), "little")
        if version not in (2, 3):
            raise ModelFileError(
                f"{self._path.name!r} is GGUF version {version}; versions 2 and 3 can be read.",
                hint="Get a newer file of this model.",
                path=str(self._path),
            )
        tensors, pairs = self._count(), self._count()
        alignment = 32
        for _ in range(pairs):
            key = self._string()
            kind = self._number("I")
            if key == b"general.alignment" and kind == 4:
                alignment = self._number("I") or alignment
            else:
                self._skip(kind)
        sizes = block_sizes()
        extent = max((self._tensor(sizes) for _ in range(tensors)), default=0)
        start = -(-self._file.tell() // alignment) * alignment
        return start + extent if tensors else start

    def _tensor(self, sizes: dict[int, tuple[int, int]]) -> int:
        """Where a tensor ends, counted from the first; where it begins, if its type is new."""
        self._string()
        numbers = 1
        for _ in range(self._number("I")):
            numbers *= self._number("Q")
        block, block_bytes = sizes.get(self._number("I"), (1, 0))
        return self._number("Q") + numbers // block * block_bytes

    def _skip(self, kind: int) -> None:
        if kind == STRING:
            self._string()
        elif kind == ARRAY:
            inner, items = self._number("I"), self._count()
            if inner in SCALAR_BYTES:
                self._forward(items * SCALAR_BYTES[inner])
            else:
                for _ in range(items):
                    self._skip(inner)
        else:
            self._forward(SCALAR_BYTES[kind])

    def _string(self) -> bytes:
        length = self._number("Q")
        if length > self._size:
            raise ValueError("a string longer than the file")
        text = self._file.read(length)
        if len(text) < length:
            raise ValueError("the file ends in a string")
        return text

    def _forward(self, size: int) -> None:
        self._file.seek(size, 1)
        if self._file.tell() > self._size:
            raise ValueError("the file ends in a value")

    def _count(self) -> int:
        count = self._number("Q")
        if count > MOST:
            raise ValueError("a count that cannot be")
        return count

    def _number(self, form: str) -> int:
        size = struct.calcsize(form)
        value: int = struct.unpack(self._order + form, self._file.read(size))[0]
        return value


def block_sizes() -> dict[int, tuple[int, int]]:
    """Numbers in a block and its bytes, by tensor type."""
    from gguf.constants import GGML_QUANT_SIZES

    return {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()}
