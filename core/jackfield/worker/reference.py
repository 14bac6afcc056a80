"""How a worker finds the classes that the host chose."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import msgspec

from jackfield.errors import LoadFailed
from jackfield.loader import Loader
from jackfield.logits import LogitsProcessor


class ClassReference(msgspec.Struct, frozen=True):
    """A class by module and name.

    Attributes:
        module: the module's name.
        qualname: the class in it.
        path: the module's file, for one that cannot be imported by name, such as a loose plugin.
    """

    module: str
    qualname: str
    path: str = ""

    @classmethod
    def to(cls, kind: type, what: str) -> ClassReference:
        """The reference of a class.

        Args:
            what: the class in words, for the error.

        Raises:
            LoadFailed: it is defined inside a function, where a worker cannot find it.
        """
        if "<locals>" in kind.__qualname__:
            raise LoadFailed(
                f"{what} cannot be used: its class {kind.__qualname__!r} is defined inside a "
                "function.",
                hint="Move the class to the top level of its module.",
            )
        module = sys.modules[kind.__module__]
        return cls(kind.__module__, kind.__qualname__, getattr(module, "__file__", None) or "")

    def found(self) -> object:
        """Import it. Runs in the worker.

        Raises:
            LoadFailed: the module is not to be found there.
        """
        found: object = self._module()
        for name in self.qualname.split("."):
            found = getattr(found, name)
        return found

    def _module(self) -> object:
        if self.module != "__main__":
            try:
                return importlib.import_module(self.module)
            except ModuleNotFoundError as error:
                # Only the module itself, or a package it is said to be in, may be missing.
                if not f"{self.module}.".startswith(f"{error.name}."):
                    raise
        if not self.path:
            raise LoadFailed(f"The module {self.module!r} is not to be found.")
        name = f"jackfield_loose_{Path(self.path).stem}" if self._taken() else self.module
        spec = importlib.util.spec_from_file_location(name, self.path)
        if spec is None or spec.loader is None:
            raise LoadFailed(f"The file {self.path!r} is not a Python module.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    def _taken(self) -> bool:
        return self.module in sys.modules


class LoaderReference(ClassReference, frozen=True):
    """The class of a loader."""

    @classmethod
    def of(cls, loader: Loader) -> LoaderReference:
        """The reference of a loader.

        Raises:
            LoadFailed: its class is defined inside a function, where a worker cannot find it.
        """
        there = cls.to(type(loader), f"Loader {loader.name!r}")
        return cls(there.module, there.qualname, there.path)

    def resolve(self) -> Loader:
        """Import the class and make the loader. Runs in the worker.

        Raises:
            LoadFailed: the module is not to be found there.
        """
        found = self.found()
        if not (isinstance(found, type) and issubclass(found, Loader)):
            raise LoadFailed(f"{self.module}:{self.qualname} is not a loader.")
        return found()


class ProcessorReference(msgspec.Struct, frozen=True):
    """A plugin's logits processor.

    Attributes:
        owner: the plugin.
        kind: its class.
        values: its fields.
    """

    owner: str
    kind: ClassReference
    values: dict[str, Any]

    @classmethod
    def of(cls, processor: LogitsProcessor, owner: str) -> ProcessorReference:
        """The reference of a processor.

        Raises:
            LoadFailed: a worker cannot find its class.
            TypeError, ValueError: a field is of a kind that cannot be sent.
        """
        kind = ClassReference.to(type(processor), "A logits processor")
        # There and back, so that what the worker could not read is found out here.
        values = msgspec.json.decode(msgspec.json.encode(processor))
        msgspec.convert(values, type(processor))
        return cls(owner, kind, values)

    def resolve(self) -> LogitsProcessor:
        """Import the class and make the processor. Runs in the worker.

        Raises:
            LoadFailed: the module is not to be found there.
            ValidationError: the class there takes other fields.
        """
        found = self.kind.found()
        if not (isinstance(found, type) and issubclass(found, LogitsProcessor)):
            raise LoadFailed(f"{self.kind.module}:{self.kind.qualname} is not a LogitsProcessor.")
        return msgspec.convert(self.values, found)
