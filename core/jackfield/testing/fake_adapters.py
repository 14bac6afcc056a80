"""LoRA adapters for fake models: what they add to a reply can be read in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from jackfield.errors import ModelFileError
from jackfield.loader import Adapter

WEIGHTS = "adapter_model.bin"


def fake_adapter(folder: Path, name: str, *, says: str) -> Path:
    """Make an adapter for fake models and return its folder.

    Args:
        folder: where, for example ``paths.adapters``.
        name: what the adapter is called.
        says: what replies begin with while it is attached, as often as its strength says.
    """
    path = folder / name
    path.mkdir(parents=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": "fake", "r": 1}
    (path / "adapter_config.json").write_bytes(msgspec.json.encode(config))
    (path / WEIGHTS).write_text(says, encoding="utf-8")
    return path


def said(adapters: Sequence[Adapter]) -> str:
    """What replies begin with while these are attached.

    Raises:
        ModelFileError: one is not a fake adapter.
    """
    return "".join(_read(one.path) * round(one.scale) for one in adapters)


def _read(adapter: Path) -> str:
    try:
        return (adapter / WEIGHTS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(
            f"The fake adapter {str(adapter)!r} cannot be read: {error}.",
            hint="Write it with jackfield.testing.fake_adapter.",
        ) from error
