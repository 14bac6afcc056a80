"""Models in the Hugging Face format, run by Transformers on PyTorch."""

from __future__ import annotations

from jackfield import Loader, Plugin, Reach, hookimpl
from jackfield_loaders.transformers.loader import TransformersLoader

__all__ = ["Transformers", "TransformersLoader"]


class Transformers(Plugin):
    """Loads model folders with Transformers and answers several requests in one batch."""

    requires_api = ">=1,<2"
    reach = Reach()

    @hookimpl
    def jackfield_loaders(self) -> list[type[Loader]]:
        """The loader for folders of safetensors, and for GGUF files where it is asked for."""
        return [TransformersLoader]
