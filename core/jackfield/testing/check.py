"""Run the conformance suites on an installed plugin, without pytest."""

from __future__ import annotations

import inspect
import shutil
import tempfile
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import ValidationError

from jackfield.application import Application
from jackfield.errors import InvalidRequest, JackfieldError
from jackfield.loader import Loader, LoadOptions
from jackfield.paths import Paths
from jackfield.testing.conformance.suite import NotClaimed
from jackfield.testing.loader_conformance import LoaderConformance
from jackfield.testing.plugin_conformance import PluginConformance

Outcome = Literal["passed", "failed", "not claimed"]


class CheckResult(msgspec.Struct, frozen=True):
    """One check.

    Attributes:
        subject: what it is about: the plugin, or a loader of it.
        name: the method's name.
        check: the same in words.
        reason: what went wrong, or what is not claimed; "" if it passed.
    """

    subject: str
    name: str
    check: str
    outcome: Outcome
    reason: str = ""


def run(
    name: str,
    model: Path | None = None,
    options: Mapping[str, Any] | None = None,
    loose: Path | None = None,
    interpreter: Callable[[Loader], str] | None = None,
) -> Iterator[CheckResult]:
    """Check an installed plugin by name, and each loader it offers on a model, in workers.

    Args:
        name: the plugin's name.
        model: a model file or folder for its loaders; without one they make a sample, if they can.
        options: load options for the loaders.
        loose: a folder of plugins in single files, where it is looked for too.
        interpreter: of a loader's workers; left out, one that needs an environment gets its own,
            for this time.

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
        yield from run_suite(name, type("Suite", (PluginConformance,), {"plugin": type(plugin)}))
        offered: list[type[Loader] | Loader] = list(getattr(plugin, "jackfield_loaders", list)())
        loaders = [one() if isinstance(one, type) else one for one in offered]
        if model is not None:
            files = app.catalog.identify(model)
            loaders = [one for one in loaders if one.probe(files) is not None]
            if not loaders:
                raise JackfieldError(
                    f"No loader of plugin {name!r} opens {str(model)!r}.",
                    hint="Give a model of a format that it opens.",
                )
        find = interpreter or app.environments.interpreter
        for loader in loaders:
            yield from _loader(app, loader, find, model, options or {}, Path(folder))


def _loader(
    app: Application,
    loader: Loader,
    interpreter: Callable[[Loader], str],
    model: Path | None,
    given: Mapping[str, Any],
    folder: Path,
) -> Iterator[CheckResult]:
    """Check a loader on the model, or on a sample of its own."""
    subject = f"loader {loader.name}"
    path = model or loader.sample(folder)
    if path is None:
        words = f"a model: {loader.name!r} makes no sample, give one with --model"
        yield CheckResult(subject, "", "opens a model", "not claimed", words)
        return
    members = {
        "loader": loader,
        "files": app.catalog.identify(path),
        "options": _options(loader, given),
        "python": interpreter(loader),
    }
    yield from run_suite(subject, type("Suite", (LoaderConformance,), members))


def _options(loader: Loader, given: Mapping[str, Any]) -> LoadOptions:
    try:
        return loader.Options.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidRequest(
            f"Load option {where!r} of loader {loader.name!r} cannot be used: {first['msg']}.",
            hint=f"Its options are: {', '.join(loader.Options.model_fields)}.",
            param=where,
        ) from error


def run_suite(subject: str, suite: type[Any], only: Collection[str] = ()) -> Iterator[CheckResult]:
    """Run every ``test_*`` method of a suite, or ``only`` some, in the order of their source.

    A suite that cannot be set up is one failed check.
    """
    setup: Callable[[], None] = getattr(suite, "setup_class", lambda: None)
    teardown: Callable[[], None] = getattr(suite, "teardown_class", lambda: None)
    outcome, reason = _outcome(setup)
    if outcome != "passed":
        yield CheckResult(subject, "setup_class", "is set up", outcome, reason)
        return
    try:
        for name in _names(suite):
            if not only or name in only:
                outcome, reason = _outcome(getattr(suite(), name))
                words = name.removeprefix("test_").replace("_", " ")
                yield CheckResult(subject, name, words, outcome, reason)
    finally:
        outcome, reason = _outcome(teardown)
    if outcome != "passed":
        yield CheckResult(subject, "teardown_class", "is closed", outcome, reason)


def _names(suite: type[Any]) -> list[str]:
    """The names of its checks: those of a base before those of what is made from it."""
    every = [name for kind in reversed(suite.__mro__) for name in vars(kind)]
    checks = [name for name in every if name.startswith("test_")]
    return [name for name in dict.fromkeys(checks) if inspect.isfunction(getattr(suite, name))]


def _outcome(check: Callable[[], None]) -> tuple[Outcome, str]:
    """How a check went, with what it said."""
    try:
        check()
    except NotClaimed as absent:
        return "not claimed", str(absent).removeprefix("not claimed: ")
    except AssertionError as error:
        return "failed", str(error) or traceback.format_exc(limit=-1).strip()
    except Exception as error:  # noqa: BLE001 - a plugin's own code runs here
        return "failed", f"{type(error).__name__}: {error}"
    return "passed", ""
