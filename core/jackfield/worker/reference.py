"""How a worker finds the loader that the host chose."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import msgspec

from jackfield.errors import LoadFailed
from jackfield.loader import Loader


class LoaderReference(msgspec.Struct, frozen=True):
    """A loader class by module and name.

    Attributes:
        module: the module's name.
        qualname: the class in it.
        path: the module's file, for one that cannot be imported by name, such as a loose plugin.
    """

    module: str
    qualname: str
    path: str = ""

    @classmethod
    def of(cls, loader: Loader) -> LoaderReference:
        """The reference of a loader.

        Raises:
            LoadFailed: its class is defined inside a function, where a worker cannot find it.
        """
        kind = type(loader)
        if "<locals>" in kind.__qualname__:
            raise LoadFailed(
                f"Loader {loader.name!r} cannot be used: its class {kind.__qualname__!r} is "
                "defined inside a function.",
                hint="Move the class to the top level of its module.",
            )
        module = sys.modules[kind.__module__]
        return cls(kind.__module__, kind.__qualname__, getattr(module, "__file__", None) or "")

    def resolve(self) -> Loader:
        """Import the class and make the loader. Runs in the worker.

        Raises:
            LoadFailed: the module is not to be found there.
        """
        found: object = self._module()
        for name in self.qualname.split("."):
            found = getattr(found, name)
        if not (isinstance(found, type) and issubclass(found, Loader)):
            raise LoadFailed(f"{self.module}:{self.qualname} is not a loader.")
        return found()

    def _module(self) -> object:
        if self.module != "__main__":
            try:
                return importlib.import_module(self.module)
            except ModuleNotFoundError as error:
                # Only the module itself, or a package it is said to be in, may be missing.
                if not f"{self.module}.".startswith(f"{error.name}."):
                    raise
        if not self.path:
            raise LoadFailed(f"The loader's module {self.module!r} is not to be found.")
        name = f"jackfield_loose_{Path(self.path).stem}" if self._taken() else self.module
        spec = importlib.util.spec_from_file_location(name, self.path)
        if spec is None or spec.loader is None:
            raise LoadFailed(f"The loader's file {self.path!r} is not a Python module.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    def _taken(self) -> bool:
        return self.module in sys.modules
