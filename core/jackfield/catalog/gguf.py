"""Reading what a GGUF file says about itself, without reading its weights.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from jackfield.errors import ModelFileError

MAGIC = b"GGUF"
SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
STRING, ARRAY = 8, 9
KEPT_ARRAY = 64
"""Arrays up to this length are kept; of longer ones only the length."""

# Far above any real model, so that a hostile header can neither take long nor fill the memory.
MOST_ENTRIES = 200_000
MOST_ITEMS = 5_000_000
"""Texts in long arrays, all together."""
LONGEST_TEXT = 4_000_000
MOST_TEXT = 32_000_000
"""Bytes of all texts that are kept."""
MOST_DIMENSIONS = 8
DEEPEST = 3
"""Arrays within arrays."""

# ggml type: (name, elements in a block, bytes of a block)
TENSOR_TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}
FILE_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
}
GUESSED = 1024
"""Set in a file type that the converter guessed."""


class GgufHeader(msgspec.Struct, frozen=True):
    """What stands before the weights of a GGUF file.

    Attributes:
        metadata: key-value pairs; long arrays are replaced by ``{"length": n}``. With it are
            ``tensors``, the number of weights by ggml type, and ``table_type``, the type of the
            table of token vectors.
        parameters: elements of all tensors.
        tensor_types: ggml type names to number of elements.
        needed: bytes the file must have for its tensors to be whole.
    """

    metadata: dict[str, Any]
    parameters: int
    tensor_types: dict[str, int]
    needed: int

    def text(self, key: str) -> str:
        """A text of the metadata; "" when it is missing or something else."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        """A whole number of the metadata; 0 when it is missing or something else."""
        value = self.metadata.get(key, 0)
        return value if isinstance(value, int) else 0

    @property
    def quantization(self) -> str:
        """As the file names it, else the type most weights have."""
        if isinstance(self.metadata.get("general.file_type"), int):
            named = FILE_TYPES.get(self.number("general.file_type") & ~GUESSED)
            if named:
                return named
        return max(self.tensor_types, key=lambda name: self.tensor_types[name], default="")


def read_gguf(path: Path) -> GgufHeader:
    """Read the header of a GGUF file.

    Raises:
        ModelFileError: it is not one, or broken, or truncated.
    """
    try:
        with path.open("rb", buffering=1 << 18) as file:
            header = _Reader(file, path).header()
            size = os.fstat(file.fileno()).st_size
    except (struct.error, EOFError) as error:
        raise ModelFileError(
            f"{path.name!r} is truncated or broken: its header ends in the middle.", hint=AGAIN
        ) from error
    except OSError as error:
        raise ModelFileError(
            f"{str(path)!r} cannot be read: {error.strerror or error}.",
            hint="Look at the file's permissions.",
        ) from error
    if size < header.needed:
        raise ModelFileError(
            f"{path.name!r} is truncated: {size / 1e6:.1f} of {header.needed / 1e6:.1f} MB are "
            "there.",
            hint=AGAIN,
            size=size,
            needed=header.needed,
        )
    return header


AGAIN = "Fetch the file again, or remove it."


class _Reader:
    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._items = MOST_ITEMS
        self._text = MOST_TEXT

    def header(self) -> GgufHeader:
        self._check_magic()
        version = self._number("I")
        if version and version & 0xFFFF == 0:
            raise ModelFileError(
                f"{self._path.name!r} is written for big-endian computers.",
                hint="Fetch the ordinary, little-endian file of this model.",
            )
        if version not in (2, 3):
            raise ModelFileError(
                f"{self._path.name!r} is GGUF version {version}; versions 2 and 3 can be read.",
                hint="Convert it with a current llama.cpp, or fetch a newer file.",
            )
        tensors, entries = self._count(self._number("Q")), self._count(self._number("Q"))
        metadata = {self._string(): self._value(self._number("I")) for _ in range(entries)}
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
            raise self._broken(f"its alignment is {alignment!r}")
        types: dict[str, int] = {}
        end = 0
        for _ in range(tensors):
            tensor, name, elements, tensor_end = self._tensor()
            types[name] = types.get(name, 0) + elements
            if tensor == "token_embd.weight":
                metadata["table_type"] = name
            end = max(end, tensor_end)
        start = -(-self._file.tell() // alignment) * alignment
        needed = start + end if tensors else self._file.tell()
        metadata["tensors"] = types
        return GgufHeader(metadata, sum(types.values()), types, needed)

    def _check_magic(self) -> None:
        magic = self._file.read(4)
        if magic != MAGIC:
            begins = "does not begin with the letters GGUF" if magic else "is empty"
            raise ModelFileError(
                f"{self._path.name!r} is not a GGUF file: it {begins}.",
                hint="Check where it came from; a download page saved by mistake looks like this.",
            )

    def _tensor(self) -> tuple[str, str, int, int]:
        """A tensor's name, its type's, its elements, and where it ends after the header."""
        tensor = self._string()
        dimensions = self._number("I")
        if dimensions > MOST_DIMENSIONS:
            raise self._broken(f"a tensor has {dimensions} dimensions")
        elements = math.prod(self._number("Q") for _ in range(dimensions))
        if elements >= 1 << 50:
            raise self._broken(f"a tensor has {elements} elements")
        kind, offset = self._number("I"), self._number("Q")
        name, block, size = TENSOR_TYPES.get(kind, (f"type {kind}", 1, 0))
        return tensor, name, elements, offset + -(-elements // block) * size

    def _broken(self, why: str) -> ModelFileError:
        return ModelFileError(f"{self._path.name!r} is broken: {why}.", hint=AGAIN)

    def _scalar(self, code: str) -> Any:
        size = struct.calcsize("<" + code)
        return struct.unpack("<" + code, self._file.read(size))[0]

    def _number(self, code: str) -> int:
        number: int = self._scalar(code)
        return number

    def _count(self, number: int) -> int:
        if number > MOST_ENTRIES:
            raise self._broken(f"it claims to have {number} entries")
        return number

    def _string(self) -> str:
        length = self._number("Q")
        self._text -= length
        if length > LONGEST_TEXT or self._text < 0:
            raise self._broken(f"it claims a text of {length} bytes")
        raw = self._file.read(length)
        if len(raw) < length:
            raise EOFError
        return raw.decode("utf-8", errors="replace")

    def _value(self, kind: int, depth: int = 0) -> Any:
        if kind in SCALARS:
            return self._scalar(SCALARS[kind])
        if kind == STRING:
            return self._string()
        if kind != ARRAY or depth > DEEPEST:
            raise self._broken(f"it has a value of type {kind}, {depth} arrays deep")
        inner, length = self._number("I"), self._number("Q")
        if length <= KEPT_ARRAY:
            return [self._value(inner, depth + 1) for _ in range(length)]
        self._skip(inner, length)
        return {"length": length}

    def _skip(self, inner: int, length: int) -> None:
        """Pass over a long array; what lies behind the file's end shows in the next read."""
        if inner in SCALARS:
            self._forward(length * struct.calcsize("<" + SCALARS[inner]))
            return
        self._items -= length
        if inner != STRING or self._items < 0:
            raise self._broken(f"it claims an array of {length} values of type {inner}")
        unpack, read, seek = struct.Struct("<Q").unpack, self._file.read, self._forward
        for _ in range(length):
            (size,) = unpack(read(8))
            seek(size)

    def _forward(self, size: int) -> None:
        if size >= 1 << 50:
            raise self._broken(f"it claims a value of {size} bytes")
        self._file.seek(size, 1)
