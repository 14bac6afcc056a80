"""Reads files as text: PDF, Word, PowerPoint, Excel, EPUB, HTML, Markdown, CSV, source code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jackfield import DocumentReader, Field, Plugin, hookimpl
from jackfield_plugins.documents.process import Reading
from jackfield_plugins.documents.readers import all_readers

if TYPE_CHECKING:
    from jackfield.application import Application

__all__ = ["Documents", "Reading", "all_readers"]

MEGABYTE = 1 << 20


class Documents(Plugin):
    """Reads PDF, Word, PowerPoint, Excel, EPUB, HTML, Markdown, CSV and source code."""

    requires_api = ">=1,<2"

    class Config(Plugin.Config):
        """Limits, each for one file."""

        seconds: int = Field(60, ge=1, le=3600, description="Seconds that reading a file may take")
        memory: int = Field(
            2048,
            ge=512,
            le=65536,
            title="Memory in MB",
            description="What the process that reads may take (not kept on Windows)",
        )
        scanned_pages: int = Field(
            30,
            ge=0,
            le=10000,
            description="Scanned pages of a PDF that are read by text recognition, one to three "
            "seconds each",
        )

    _app: Application | None = None
    _reading: Reading | None = None

    @hookimpl
    def jackfield_started(self, app: Application) -> None:
        """Note where the other readers are to be asked for."""
        self._app = app

    @hookimpl
    def jackfield_document_readers(self) -> Sequence[DocumentReader]:
        """One for each kind of file."""
        if self._reading is None:
            self._reading = Reading(self.config.seconds, self.config.memory * MEGABYTE)
        return all_readers(self._reading, self._readers, lambda: self.config.scanned_pages)

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

    def _readers(self) -> Sequence[DocumentReader]:
        return self._app.plugins.document_readers() if self._app is not None else ()
