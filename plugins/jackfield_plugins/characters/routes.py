"""``/api/characters``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Body, File, Query, UploadFile
from fastapi.responses import Response

from . import cards, files
from .access import brief, changeable, exported, found, shown

if TYPE_CHECKING:
    from . import Characters


def routes(plugin: Characters) -> APIRouter:
    """The routes of a plugin."""
    router = APIRouter(tags=["characters"])
    _add_reading(router, plugin)
    _add_changing(router, plugin)
    return router


def _add_reading(router: APIRouter, plugin: Characters) -> None:
    @router.get("/api/characters")
    def list_characters() -> list[dict[str, Any]]:
        """All characters, those of the user first."""
        return [brief(plugin, one) for one in plugin.all().values()]

    @router.get("/api/characters/{id}")
    def get_character(id: str) -> dict[str, Any]:
        """One character with its card."""
        return shown(plugin, found(plugin, id))

    @router.get("/api/characters/{id}/picture", response_class=Response)
    def get_picture(id: str) -> Response:
        """The character's picture in small: PNG or WebP."""
        picture = plugin.look(found(plugin, id))
        is_png = picture.startswith(files.SIGNATURE)
        return Response(picture, media_type="image/png" if is_png else "image/webp")

    @router.get("/api/characters/{id}/export", response_class=Response)
    def export_character(
        id: str,
        format: Annotated[Literal["png", "json"], Query()] = "png",
        version: Annotated[Literal["2", "3"] | None, Query()] = None,
    ) -> Response:
        """A file with the character's card, of its own version or the one asked for."""
        data = exported(plugin, found(plugin, id), format, version)
        return Response(
            data,
            media_type="image/png" if format == "png" else "application/json",
            headers={"Content-Disposition": f'attachment; filename="{id}.{format}"'},
        )


def _add_changing(router: APIRouter, plugin: Characters) -> None:
    @router.post("/api/characters", status_code=201)
    def create_character(card: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """Keep a new character, sent as a Character Card."""
        return shown(plugin, plugin.store.create(cards.read(card)))

    @router.put("/api/characters/{id}")
    def put_character(
        id: str,
        card: Annotated[dict[str, Any], Body()],
    ) -> dict[str, Any]:
        """Replace a character by a Character Card; its picture stays."""
        changeable(plugin, id)
        return shown(plugin, plugin.store.update(cards.read(card, id)))

    @router.delete("/api/characters/{id}", status_code=204)
    def delete_character(id: str) -> None:
        """Put a character aside; it can be restored."""
        changeable(plugin, id)
        plugin.store.delete(id)

    @router.post("/api/characters/{id}/restore")
    def restore_character(id: str) -> dict[str, Any]:
        """Bring a deleted character back."""
        return shown(plugin, plugin.store.restore(id))

    @router.post("/api/characters/import", status_code=201)
    def import_character(file: Annotated[UploadFile, File()]) -> dict[str, Any]:
        """Import a file with a Character Card: PNG, JSON or CHARX."""
        read = files.read_file(file.file.read(files.LARGEST + 1))
        character = plugin.store.create(read.character, read.picture)
        return {**shown(plugin, character), "warnings": list(read.notes)}
