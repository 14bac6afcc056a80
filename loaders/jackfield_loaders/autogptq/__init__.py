"""GPTQ models, opened with AutoGPTQ in an environment of its own."""

from __future__ import annotations

from jackfield import Loader, Plugin, Reach, hookimpl
from jackfield_loaders.autogptq.loader import AutoGptqLoader

__all__ = ["AutoGptq", "AutoGptqLoader"]


class AutoGptq(Plugin):
    """Loads GPTQ models with AutoGPTQ, which wants an older Transformers than the rest."""

    requires_api = ">=1,<2"
    reach = Reach(network="download", hosts=("pypi.org",))

    @hookimpl
    def jackfield_loaders(self) -> list[type[Loader]]:
        """The loader, for who asks for it by name."""
        return [AutoGptqLoader]
