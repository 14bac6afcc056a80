"""Run the conformance suites on an installed plugin, without pytest."""

from __future__ import annotations

import inspect
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from jackfield.application import Application
from jackfield.errors import JackfieldError
from jackfield.loader import Loader
from jackfield.paths import Paths
from jackfield.testing.loader_conformance import LoaderConformance
from jackfield.testing.plugin_conformance import PluginConformance


class CheckResult(msgspec.Struct, frozen=True):
    """One check: what it is about, and "" or what went wrong."""

    subject: str
    check: str
    failure: str

    @property
    def passed(self) -> bool:
        """Whether nothing went wrong."""
        return not self.failure


def run(name: str, model: Path | None = None, loose: Path | None = None) -> Iterator[CheckResult]:
    """Check an installed plugin by name, and each loader it offers on a model.

    Args:
        name: the plugin's name.
        model: a model file or folder for its loaders; without one they are not loaded.
        loose: a folder of plugins in single files, where it is looked for too.

    Raises:
        PluginNotFound: no such plugin is installed.
        JackfieldError: it could not be loaded at all, or no loader of it opens the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder))
        paths.make()
        for file in loose.glob("*.py") if loose is not None else ():
            if file.stem.replace("_", "-") == name:
                shutil.copy(file, paths.plugins)
        app = Application.create(paths)
        record = app.plugins.record(name)
        if record.state != "set aside":
            app.plugins.enable(name)
            record = app.plugins.record(name)
        if record.state == "set aside":
            raise JackfieldError(
                f"Plugin {name!r} cannot be loaded: {record.error}", hint=record.advice
            )
        plugin = app.plugins.plugin(name)
        suite = type("Suite", (PluginConformance,), {"plugin": type(plugin)})
        yield from _run(name, suite)
        if model is not None:
            yield from _loaders(app, name, model)


def _loaders(app: Application, name: str, model: Path) -> Iterator[CheckResult]:
    plugin = app.plugins.plugin(name)
    offered: list[type[Loader]] = list(getattr(plugin, "jackfield_loaders", list)())
    opened = False
    files = app.catalog.identify(model)
    for kind in offered:
        loader = kind()
        if loader.probe(files) is None:
            continue
        opened = True
        suite = type("Suite", (LoaderConformance,), {"loader": loader, "files": files})
        yield from _run(f"loader {loader.name}", suite)
    if not opened:
        raise JackfieldError(
            f"No loader of plugin {name!r} opens {str(model)!r}.",
            hint="Give a model of a format that it opens.",
        )


def _run(subject: str, suite: type[Any]) -> Iterator[CheckResult]:
    """Run every ``test_*`` method of a suite."""
    checks = [name for name, _ in inspect.getmembers(suite, inspect.isfunction)]
    setup: Callable[[], None] = getattr(suite, "setup_class", lambda: None)
    teardown: Callable[[], None] = getattr(suite, "teardown_class", lambda: None)
    if failure := _failure(setup):
        yield CheckResult(subject, "is set up", failure)
        return
    try:
        for name in (name for name in checks if name.startswith("test_")):
            yield CheckResult(subject, _words(name), _failure(getattr(suite(), name)))
    finally:
        teardown()


def _words(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def _failure(check: Callable[[], None]) -> str:
    """What a check raised, in a line or two; "" when it passed."""
    try:
        check()
    except AssertionError as error:
        return str(error) or traceback.format_exc(limit=-1).strip()
    except Exception as error:  # noqa: BLE001 - a plugin's own code runs here
        return f"{type(error).__name__}: {error}"
    return ""
