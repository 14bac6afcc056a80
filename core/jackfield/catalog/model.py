"""A model that is here, as its files describe it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from jackfield.catalog import folder
from jackfield.catalog.gguf import read_gguf
from jackfield.errors import JackfieldError, ModelFileError
from jackfield.loader import ModelFiles

SIDECAR = "jackfield.json"
SPLIT = re.compile(r"(?P<stem>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})\.gguf$")
MOST_PARTS = 1000


class CatalogModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model on this computer.

    Attributes:
        name: what it is asked for by; unique.
        parameters: number of weights, 0 if unknown.
        context_length: tokens it was trained for, 0 if unknown.
        chat_template: its own Jinja template, "" if it has none.
        source: where it came from, "" if it was put here by hand.
        writes: it is made for writing text; not so embedding models and rerankers.
        variant_of: the model whose files these are, "" for a model of its own.
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
    writes: bool = True
    variant_of: str = ""
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
    """What Jackfield notes beside a model that it fetched.

    Attributes:
        sha256: of the model's file; of a folder's files see ``files``.
        repository, revision: where its source keeps it, and in which state.
        files: the sha256 of each file, by its path.
    """

    name: str
    source: str = ""
    license: str = ""
    sha256: str = ""
    size: int = 0
    repository: str = ""
    revision: str = ""
    files: dict[str, str] = msgspec.field(default_factory=dict)


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
    if path.is_dir():
        return _described_folder(path)
    parts = parts_of(path)
    here = [part for part in parts if part.is_file()]
    if path != next(iter(here), path):
        return None
    form = path.suffix.removeprefix(".").lower()
    sidecar = read_sidecar(path.parent) or Sidecar(name="")
    name = clean(sidecar.name) or clean(_stem(path)) or "model"
    try:
        size = sum(part.stat().st_size for part in here) if here else path.lstat().st_size
        files = ModelFiles(path=path, format=form, size=size)
        known = CatalogModel(
            name=name,
            files=files,
            source=sidecar.source,
            license=sidecar.license,
        )
        return _identified(known, parts) if form == "gguf" else known
    except JackfieldError as error:
        return msgspec.structs.replace(known, error=str(error))


def _described_folder(path: Path) -> CatalogModel:
    sidecar = read_sidecar(path.parent) or Sidecar(name="")
    name = clean(sidecar.name) or clean(folder.name_of(path)) or "model"
    form = folder.format_of(path, {one.name for one in path.iterdir()})
    try:
        found = folder.read_folder(path)
    except JackfieldError as error:
        return CatalogModel(
            name=name,
            files=ModelFiles(path=path, format=form, size=0),
            source=sidecar.source,
            error=str(error),
        )
    return CatalogModel(
        name=name,
        files=ModelFiles(path, found.format, found.size, found.metadata),
        architecture=found.architecture,
        parameters=found.parameters,
        quantization=found.quantization,
        context_length=found.context_length,
        chat_template=found.chat_template,
        license=sidecar.license or found.license,
        writes=found.writes,
        source=sidecar.source,
    )


def parts_of(path: Path) -> list[Path]:
    """All files of a model that is split over several, there or not; or the one."""
    split = SPLIT.match(path.name)
    count = int(split["parts"]) if split else 0
    if not split or not 1 <= int(split["part"]) <= count <= MOST_PARTS:
        return [path]
    return [
        path.with_name(f"{split['stem']}-{part:05}-of-{count:05}.gguf")
        for part in range(1, count + 1)
    ]


def _identified(known: CatalogModel, parts: list[Path]) -> CatalogModel | None:
    """A GGUF model with what its files say; None for a vision model's projector."""
    missing = next((part.name for part in parts if not part.is_file()), None)
    if missing is not None:
        raise ModelFileError(
            f"A part of it is missing: {missing!r}.",
            hint=f"Put all {len(parts)} parts into {str(known.path.parent)!r}.",
        )
    first, *others = (read_gguf(part) for part in parts)
    architecture = first.text("general.architecture")
    if architecture == "clip":
        return None
    return msgspec.structs.replace(
        known,
        files=msgspec.structs.replace(known.files, metadata=first.metadata),
        architecture=architecture,
        parameters=first.parameters + sum(other.parameters for other in others),
        quantization=first.quantization,
        context_length=max(0, first.number(f"{architecture}.context_length")),
        chat_template=first.text("tokenizer.chat_template"),
        writes=f"{architecture}.pooling_type" not in first.metadata,
        license=known.license or first.text("general.license"),
    )


def _stem(path: Path) -> str:
    split = SPLIT.match(path.name)
    return split["stem"] if split else path.stem


def clean(name: str) -> str:
    """A name in lower case, fit for a command line, an address and a file."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.")[:100]
