"""GPTQ models, opened and made with GPTQModel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import Loader, Plugin, Reach, hookimpl
from jackfield_loaders.gptq.loader import GptqLoader

if TYPE_CHECKING:
    import typer

    from jackfield.application import Application

__all__ = ["Gptq", "GptqLoader"]


class Gptq(Plugin):
    """Loads models quantized by GPTQ, and makes them from others."""

    requires_api = ">=1,<2"
    reach = Reach()

    @hookimpl
    def jackfield_loaders(self) -> list[type[Loader]]:
        """The loader for folders whose configuration names GPTQ."""
        return [GptqLoader]

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer, app: Application) -> None:
        """``jackfield quantize``."""
        from jackfield_loaders.gptq.command import add

        add(cli, app)
