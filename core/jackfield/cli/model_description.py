"""A model of the catalog in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jackfield.cli.door import Door
from jackfield.errors import JackfieldError

if TYPE_CHECKING:
    from jackfield.catalog.model import CatalogModel


def described(door: Door, model: CatalogModel) -> dict[str, Any]:
    """A model for ``--json``."""
    loader, reason = ("", "") if model.error else loader_of(door, model)
    return {
        "name": model.name,
        "format": model.format,
        "size": model.size,
        "architecture": model.architecture,
        "parameters": model.parameters,
        "quantization": model.quantization,
        "context_length": model.context_length,
        "license": model.license,
        "source": model.source,
        "loader": loader,
        "loader_reason": reason,
        "path": str(model.path),
        "chat_template": bool(model.chat_template),
        "error": model.error,
    }


def loader_of(door: Door, model: CatalogModel) -> tuple[str, str]:
    """The loader that would open a model and why, or why none can be said."""
    try:
        loader, match = door.app.engine.choose_loader(model)
    except JackfieldError as error:
        return "?", error.message
    return loader.name, match.reason
