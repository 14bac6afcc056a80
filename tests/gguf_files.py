"""Small GGUF files, right and wrong, written by hand for the tests."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

U32, F32, BOOL, STRING, ARRAY, U64 = 4, 6, 7, 8, 9, 10


def text(value: str | bytes) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(given: Any) -> bytes:
    """A value with its type before it: bool, int, float, str, or a list of one of them."""
    if isinstance(given, list):
        inner = [value(one) for one in given]
        kind = inner[0][:4] if inner else struct.pack("<I", U32)
        items = b"".join(one[4:] for one in inner)
        return struct.pack("<I", ARRAY) + kind + struct.pack("<Q", len(given)) + items
    if isinstance(given, bool):
        return struct.pack("<I?", BOOL, given)
    if isinstance(given, int):
        return struct.pack("<II", U32, given)
    if isinstance(given, float):
        return struct.pack("<If", F32, given)
    return struct.pack("<I", STRING) + text(given)


def header(
    metadata: Mapping[str, Any] | Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A header; ``metadata`` values are given plain, or entries as bytes already."""
    entries = (
        [text(key) + value(one) for key, one in metadata.items()]
        if isinstance(metadata, Mapping)
        else list(metadata)
    )
    numbers = counts or (len(tensors), len(entries))
    start = b"GGUF" + struct.pack("<IQQ", version, *numbers)
    return start + b"".join(entries) + b"".join(tensors)


def tensor(name: str, shape: Sequence[int], kind: int = 0, offset: int = 0) -> bytes:
    sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + sizes + struct.pack("<IQ", kind, offset)


def small_gguf(
    path: Path, *, elements: int = 256, architecture: str = "llama", **metadata: Any
) -> Path:
    """A whole file: one tensor of 32-bit numbers, an architecture and a context of 512."""
    about = {
        "general.architecture": architecture,
        f"{architecture}.context_length": 512,
        **{key.replace("__", "."): one for key, one in metadata.items()},
    }
    start = header(about, [tensor("weights", [elements])])
    padding = bytes(-len(start) % 32)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(start + padding + bytes(4 * elements))
    return path
