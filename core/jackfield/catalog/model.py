"""A model that is here, as its files describe it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from jackfield.catalog.gguf import read_gguf
from jackfield.errors import JackfieldError
from jackfield.loader import ModelFiles

SIDECAR = "jackfield.json"
SPLIT = re.compile(r"(?P<stem>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})\.gguf$")


class CatalogModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model on this computer.

    Attributes:
        name: what it is asked for by; unique.
        parameters: number of weights, 0 if unknown.
        context_length: tokens it was trained for, 0 if unknown.
        chat_template: its own Jinja template, "" if it has none.
        source: where it came from, "" if it was put here by hand.
        error: why it cannot be used, "" if it can.
    """

    name: str
    files: ModelFiles
    architecture: str = ""
    parameters: int = 0
    quantization: str = ""
    context_length: int = 0
    chat_template: str = ""
    license: str = ""
    source: str = ""
    error: str = ""

    @property
    def path(self) -> Path:
        """Its file or folder."""
        return self.files.path

    @property
    def format(self) -> str:
        """The ending of its files, e.g. ``gguf``."""
        return self.files.format

    @property
    def size(self) -> int:
        """Bytes of its weights on disk."""
        return self.files.size


class Sidecar(msgspec.Struct):
    """What Jackfield notes beside a model that it fetched."""

    name: str
    source: str = ""
    license: str = ""
    sha256: str = ""


def read_sidecar(folder: Path) -> Sidecar | None:
    """The note beside a model; None when there is none that can be read."""
    try:
        return msgspec.json.decode((folder / SIDECAR).read_bytes(), type=Sidecar)
    except (OSError, msgspec.DecodeError):
        return None


def describe(path: Path) -> CatalogModel | None:
    """A model file as the catalog lists it, broken ones included; None for a part of another.

    Its name is a proposal: the catalog makes it unique.
    """
    form = path.suffix.removeprefix(".").lower()
    sidecar = read_sidecar(path.parent)
    name = sidecar.name if sidecar else _name(path)
    source = sidecar.source if sidecar else ""
    split = SPLIT.match(path.name)
    if split and int(split["part"]) != 1:
        return None
    try:
        size = _size(path)
        if form != "gguf":
            files = ModelFiles(path=path, format=form, size=size)
            return CatalogModel(name=name, files=files, source=source)
        header = read_gguf(path)
        metadata = header.metadata
        architecture = str(metadata.get("general.architecture", ""))
        if architecture == "clip":
            return None  # a projector for a vision model, no model of its own
        _check_parts(path)
    except (JackfieldError, OSError) as error:
        files = ModelFiles(path=path, format=form, size=path.lstat().st_size)
        return CatalogModel(name=name, files=files, source=source, error=str(error))
    return CatalogModel(
        name=name,
        files=ModelFiles(path=path, format=form, size=size, metadata=metadata),
        architecture=architecture,
        parameters=header.parameters,
        quantization=header.quantization,
        context_length=int(metadata.get(f"{architecture}.context_length", 0)),
        chat_template=str(metadata.get("tokenizer.chat_template", "")),
        license=str(metadata.get("general.license", sidecar.license if sidecar else "")),
        source=source,
    )


def _name(path: Path) -> str:
    """A file's name without its ending, in lower case."""
    split = SPLIT.match(path.name)
    stem = split["stem"] if split else path.stem
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-.") or "model"


def _parts(path: Path) -> list[Path]:
    """All files of a model that is split over several, or the one."""
    split = SPLIT.match(path.name)
    if not split:
        return [path]
    count = int(split["parts"])
    return [
        path.with_name(f"{split['stem']}-{part:05}-of-{count:05}.gguf")
        for part in range(1, count + 1)
    ]


def _size(path: Path) -> int:
    return sum(part.stat().st_size for part in _parts(path) if part.exists())


def _check_parts(path: Path) -> None:
    missing = [part.name for part in _parts(path) if not part.exists()]
    if missing:
        raise JackfieldError(
            f"A part of it is missing: {missing[0]!r}.", hint="Put all parts into one folder."
        )
