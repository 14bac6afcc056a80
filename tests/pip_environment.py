"""A virtual environment in which Jackfield installs plugins with real pip, and wheels for it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

START = """
import json, os, sys
from pathlib import Path
from jackfield.errors import JackfieldError
from jackfield.installer import Installer
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.settings_store import SettingsStore

paths = Paths(Path(sys.argv[1]))
paths.make()
settings = SettingsStore(paths)
manager = PluginManager(paths, settings)
installer = Installer(paths, settings, manager)
lines = []

def show(value):
    print(json.dumps(value))

def error(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except JackfieldError as error:
        return f"{type(error).__name__}: {error}"
"""


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: tuple[str, ...] = (),
    module: str = "",
    files: dict[str, str] | None = None,
) -> Path:
    """A small wheel; with a module's source it offers it as a plugin of the wheel's name.

    Args:
        files: further files by their path.
    """
    package = name.replace("-", "_")
    info = f"{package}-{version}.dist-info"
    files = {
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {one}\n" for one in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    if module:
        files[f"{package}.py"] = module
        files[f"{info}/entry_points.txt"] = f"[jackfield]\n{name} = {package}:Plug\n"
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(text.encode())}\n"
    path = folder / f"{package}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name_, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            wheel.writestr(name_, text)
    return path


def plug(words: str) -> str:
    return (
        "from jackfield import Plugin, hookimpl\n"
        f"class Plug(Plugin):\n    '''{words}'''\n"
        "    @hookimpl\n    def jackfield_transform_reply(self, reply):\n        return reply\n"
    )


class PipEnvironment:
    """A virtual environment that sees this one's packages, and a shelf of wheels for pip.

    Args:
        index: let pip ask its configured index for what is not on the shelf.
    """

    def __init__(self, folder: Path, *, index: bool = False) -> None:
        self._index = index
        self.folder = folder
        self.home = folder / "home"
        self.shelf = folder / "shelf"
        self.shelf.mkdir()
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.python = folder / "venv" / "bin" / "python"
        (self.site,) = (folder / "venv" / "lib").glob("python*/site-packages")
        self.see(sysconfig.get_paths()["purelib"])

    def see(self, path: object) -> None:
        with (self.site / "others.pth").open("a") as file:
            file.write(f"import site; site.addsitedir({str(path)!r})\n")

    @property
    def variables(self) -> dict[str, str]:
        shelf = {"PIP_FIND_LINKS": str(self.shelf)}
        if self._index:
            return {**os.environ, **shelf}
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "PIP_NO_INDEX": "1", **shelf}

    def run(self, program: str) -> Any:
        """What a program in the environment shows last."""
        done = subprocess.run(
            [self.python, "-c", START + program, str(self.home)],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            cwd=self.folder,
            env=self.variables,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])
