"""Reads the text in pictures, by RapidOCR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jackfield import DocumentReader, Field, Plugin, hookimpl
from jackfield_plugins.documents.process import Reading
from jackfield_plugins.documents.readers import FileReader

MEGABYTE = 1 << 20


class ImageReader(FileReader):
    """Reads the text in pictures."""

    name = kind = "image"
    title = "Text in pictures"
    extensions = ("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif")
    media_types = ("image/",)
    needs = ("rapidocr", "onnxruntime")
    extra = "ocr"


class Ocr(Plugin):
    """Reads the text in pictures and scanned pages, in Latin letters and Chinese."""

    requires_api = ">=1,<2"

    class Config(Plugin.Config):
        """Limits, each for one picture."""

        seconds: int = Field(60, ge=1, le=3600, description="Seconds that a picture may take")
        memory: int = Field(
            4096,
            ge=1024,
            le=65536,
            title="Memory in MB",
            description="What the process that reads may take (not kept on Windows)",
        )

    _reading: Reading | None = None

    @hookimpl
    def jackfield_document_readers(self) -> Sequence[DocumentReader]:
        """The reader of pictures."""
        if self._reading is None:
            self._reading = Reading(self.config.seconds, self.config.memory * MEGABYTE)
        return [ImageReader(self._reading)]

    @hookimpl
    def jackfield_config_changed(self, before: Mapping[str, Any]) -> None:
        """Take up other limits."""
        if self._reading is not None:
            self._reading.use(self.config.seconds, self.config.memory * MEGABYTE)

    @hookimpl
    def jackfield_stopped(self) -> None:
        """End the processes."""
        if self._reading is not None:
            self._reading.close()
