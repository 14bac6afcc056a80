"""GGUF models, run by llama.cpp through either of two engines."""

from __future__ import annotations

from jackfield import Loader, Plugin, Reach, hookimpl
from jackfield_loaders.gguf.loader import GgufLoader

__all__ = ["Gguf", "GgufLoader"]


class Gguf(Plugin):
    """Loads GGUF files with llama.cpp."""

    requires_api = ">=1,<2"
    reach = Reach()

    @hookimpl
    def jackfield_loaders(self) -> list[type[Loader]]:
        """The loader for files that end in .gguf."""
        return [GgufLoader]
