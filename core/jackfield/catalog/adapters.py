"""LoRA adapters on this computer: folders as PEFT writes them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from jackfield.catalog.folder import ADAPTER, safetensors_header
from jackfield.catalog.model import clean
from jackfield.errors import InvalidRequest, ModelFileError

WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


class AdapterFolder(msgspec.Struct, frozen=True, kw_only=True):
    """A LoRA adapter on this computer.

    Attributes:
        name: its folder's name.
        base: the model that it was made for, as its files name it; "" if they do not.
        rank: how many dimensions its changes have, 0 if its files do not say.
        size: bytes of its weights.
        error: why it cannot be used, "" if it can.
    """

    name: str
    path: Path
    base: str = ""
    rank: int = 0
    size: int = 0
    error: str = ""


def adapters_in(roots: Iterable[Path]) -> list[AdapterFolder]:
    """All adapters in some folders and what is below those, by name."""
    found: dict[str, AdapterFolder] = {}
    for root in roots:
        for folder, inner, names in os.walk(root.expanduser()):
            inner[:] = sorted(one for one in inner if not one.startswith("."))
            if ADAPTER in names:
                inner.clear()
                found.setdefault(os.path.realpath(folder), read_adapter(Path(folder)))
    return sorted(found.values(), key=lambda one: one.name)


def read_adapter(folder: Path) -> AdapterFolder:
    """What an adapter's folder says about it."""
    name = clean(folder.name) or "adapter"
    try:
        told: Any = msgspec.json.decode((folder / ADAPTER).read_bytes())
        if not isinstance(told, dict):
            raise ModelFileError(f"{ADAPTER!r} is not a JSON object.")
        weights = next((folder / one for one in WEIGHTS if (folder / one).is_file()), None)
        if weights is None:
            raise ModelFileError(
                f"It has no weights: there is neither {WEIGHTS[0]!r} nor {WEIGHTS[1]!r}.",
                hint="Copy or fetch it again.",
            )
        if weights.suffix == ".safetensors":
            safetensors_header(weights)  # whole, or an error
    except (OSError, msgspec.DecodeError) as error:
        return AdapterFolder(name=name, path=folder, error=f"It cannot be read: {error}.")
    except ModelFileError as error:
        return AdapterFolder(name=name, path=folder, error=str(error))
    rank = told.get("r")
    return AdapterFolder(
        name=name,
        path=folder,
        base=str(told.get("base_model_name_or_path") or ""),
        rank=rank if isinstance(rank, int) else 0,
        size=weights.stat().st_size,
    )


def found_adapter(word: str, known: Iterable[AdapterFolder]) -> Path:
    """Where an adapter lies that was named by its path, or by its name.

    Raises:
        InvalidRequest: there is nothing of that path or name.
    """
    path = Path(word).expanduser()
    if path.is_absolute() and path.exists():
        return path
    named = {one.name: one for one in known}
    if one := named.get(word) or named.get(word.lower()):
        return one.path
    there = f"one of these names: {', '.join(named)}" if named else "put it into 'adapters'"
    raise InvalidRequest(
        f"There is no LoRA adapter {word!r}.",
        hint=f"Give its whole path, or {there}.",
        param="adapters",
    )
