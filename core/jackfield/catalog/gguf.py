"""Reading what a GGUF file says about itself, without reading its weights.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

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
MOST_ENTRIES = 200_000
LONGEST_STRING = 16_000_000

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
}


class GgufHeader(msgspec.Struct, frozen=True):
    """What stands before the weights of a GGUF file.

    Attributes:
        metadata: key-value pairs; long arrays are replaced by ``{"length": n}``.
        parameters: elements of all tensors.
        tensor_types: ggml type names to number of elements.
        needed: bytes the file must have for its tensors to be whole.
    """

    metadata: dict[str, Any]
    parameters: int
    tensor_types: dict[str, int]
    needed: int

    @property
    def quantization(self) -> str:
        """As the file names it, else the type most weights have."""
        named = FILE_TYPES.get(self.metadata.get("general.file_type", -1), "")
        return named or max(self.tensor_types, key=lambda name: self.tensor_types[name], default="")


def read_gguf(path: Path) -> GgufHeader:
    """Read the header of a GGUF file.

    Raises:
        ModelFileError: it is not one, or broken, or truncated.
    """
    try:
        with path.open("rb") as file:
            header = _Reader(file, path).header()
    except (struct.error, UnicodeDecodeError, EOFError) as error:
        raise ModelFileError(
            f"{path.name!r} is broken: its header ends in the middle.", hint=AGAIN
        ) from error
    except OSError as error:
        raise ModelFileError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    size = path.stat().st_size
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

    def header(self) -> GgufHeader:
        if self._file.read(4) != MAGIC:
            raise ModelFileError(
                f"{self._path.name!r} is not a GGUF file: it does not begin with the letters GGUF.",
                hint="Check where it came from; a download page saved by mistake looks like this.",
            )
        version = self._scalar("I")
        if version not in (2, 3):
            raise ModelFileError(
                f"{self._path.name!r} is GGUF version {version}; versions 2 and 3 can be read.",
                hint="Convert it with a current llama.cpp, or fetch a newer file.",
            )
        tensors, entries = self._count(self._scalar("Q")), self._count(self._scalar("Q"))
        metadata = {self._string(): self._value(self._scalar("I")) for _ in range(entries)}
        alignment = metadata.get("general.alignment", 32)
        types: dict[str, int] = {}
        parameters = last = 0
        for _ in range(tensors):
            self._string()
            elements = 1
            for _ in range(self._count(self._scalar("I"))):
                elements *= self._scalar("Q")
            kind, offset = self._scalar("I"), self._scalar("Q")
            name, block, size = TENSOR_TYPES.get(kind, (f"type {kind}", 1, 0))
            types[name] = types.get(name, 0) + elements
            parameters += elements
            last = max(last, offset + -(-elements // block) * size)
        start = -(-self._file.tell() // alignment) * alignment
        return GgufHeader(metadata, parameters, types, start + last if tensors else start)

    def _scalar(self, code: str) -> Any:
        size = struct.calcsize("<" + code)
        return struct.unpack("<" + code, self._file.read(size))[0]

    def _count(self, number: int) -> int:
        if number > MOST_ENTRIES:
            raise ModelFileError(
                f"{self._path.name!r} is broken: it claims to have {number} entries.", hint=AGAIN
            )
        return number

    def _string(self) -> str:
        length = self._scalar("Q")
        if length > LONGEST_STRING:
            raise ModelFileError(
                f"{self._path.name!r} is broken: it claims a text of {length} bytes.", hint=AGAIN
            )
        raw = self._file.read(length)
        if len(raw) < length:
            raise EOFError
        return raw.decode("utf-8", errors="replace")

    def _value(self, kind: int) -> Any:
        if kind in SCALARS:
            return self._scalar(SCALARS[kind])
        if kind == STRING:
            return self._string()
        if kind != ARRAY:
            raise ModelFileError(
                f"{self._path.name!r} is broken: it has a value of type {kind}.", hint=AGAIN
            )
        inner, length = self._scalar("I"), self._scalar("Q")
        if length <= KEPT_ARRAY:
            return [self._value(inner) for _ in range(length)]
        self._skip(inner, length)
        return {"length": length}

    def _skip(self, inner: int, length: int) -> None:
        """Pass over a long array; it must lie inside the file."""
        if inner in SCALARS:
            self._file.seek(length * struct.calcsize("<" + SCALARS[inner]), 1)
            return
        end = self._path.stat().st_size
        for _ in range(length):
            if self._file.tell() >= end:
                raise EOFError
            if inner == STRING:
                self._file.seek(self._scalar("Q"), 1)
            else:
                self._value(inner)
