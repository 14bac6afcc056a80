"""Wheels of a plugin whose loader needs an old version of a package that the server has newer."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pip_environment import PipEnvironment, make_wheel

BRITTLE = "jackfield-sample-brittle"
"""The package's distribution: a name that no index has."""

LOADER = """
import importlib.metadata
import importlib.util
import sys
from jackfield import (
    LoadedModel, Loader, Match, MemoryEstimate, ModelInfo, Plugin, Token, hookimpl
)

VERSION = importlib.metadata.version("{name}")


class OldModel(LoadedModel):
    info = ModelInfo(
        context_length=64, sampling_fields=frozenset({{"max_tokens", "stop"}}),
        chat_template="{{% for one in messages %}}{{{{ one.content }}}}{{% endfor %}}",
    )

    def complete(self, prompt, params):
        import brittle

        leaks = importlib.util.find_spec("streamlit") is not None
        yield Token(f"{{VERSION}} with brittle {{brittle.VERSION}}, server's packages {{leaks}}")
        yield Token("", finish="stop", prompt_tokens=1, completion_tokens=1)

    def tokenize(self, text, *, special=True):
        return list(text.encode())


class OldLoader(Loader):
    name = "{name}"
    extensions = ("old",)

    def probe(self, files):
        return Match(50, "it is old") if files.format == "old" else None

    def estimate(self, files, options):
        return MemoryEstimate(files.size, 0, 30_000_000)

    def sample(self, folder):
        path = folder / "sample.old"
        path.write_text("old")
        return path

    def load(self, files, options):
        import brittle  # the back-end, which the server has in another version

        assert brittle.VERSION == "1.0", brittle.VERSION
        return OldModel()


class Plug(Plugin):
    '''Opens old models.'''

    @hookimpl
    def jackfield_loaders(self):
        return [OldLoader]
"""
HOST_EYES = """
from fastapi import APIRouter
from jackfield import Plugin, hookimpl


class HostEyes(Plugin):
    '''Tells which version the server itself sees.'''

    @hookimpl
    def jackfield_routes(self):
        import brittle
        router = APIRouter()
        router.add_api_route("/brittle", lambda: brittle.VERSION)
        return router
"""


def brittle(shelf: Path, version: str) -> Path:
    """A wheel of the package that both want, each in its own version."""
    return make_wheel(shelf, BRITTLE, version, files={"brittle.py": f"VERSION = {version!r}\n"})


def old_loader(
    shelf: Path,
    name: str = "antique",
    version: str = "1.0",
    *,
    head: str = "",
    needs: str = "",
    off: bool = False,
) -> Path:
    """A wheel of the plugin.

    Args:
        head: lines before the rest of its module.
        needs: what it requires in place of the old version.
        off: it is not enabled from the start.
    """
    requires = ("jackfield", needs or f"{BRITTLE}==1.0")
    doc = "    '''Opens old models.'''\n"
    source = LOADER.replace(doc, f"{doc}\n    enabled_by_default = False\n") if off else LOADER
    module = head + source.format(name=name)
    return make_wheel(shelf, name, version, requires=requires, module=module)


def server_environment(folder: Path) -> PipEnvironment:
    """An environment for a server that has the new version; the old one is on the shelf."""
    made = PipEnvironment(folder, index=True)
    brittle(made.shelf, "1.0")
    newer = brittle(made.folder, "2.0")
    command = [str(made.python), "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*command, str(newer)], check=True, timeout=120)
    return made
