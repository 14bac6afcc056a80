"""A page of the dashboard without a browser, over a real application."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from streamlit.testing.v1 import AppTest

from jackfield.application import Application
from jackfield.dashboard.current import attach
from jackfield.paths import Paths
from jackfield.plugin import Plugin

PATIENCE = 60.0
TEXTS = ("markdown", "caption", "error", "warning", "info", "success", "subheader")


@contextmanager
def running_app(home: Path, **plugins: type[Plugin]) -> Iterator[Application]:
    """An application that the pages show, with these plugins alone."""
    app = Application(Paths(home), entry_points=[])
    app.paths.make()
    for name, plugin in plugins.items():
        app.plugins.register(name, plugin)
    with app.in_thread():
        attach(app)
        yield app


def script(page):
    """What AppTest runs; it is copied out of this module, so it imports what it needs."""
    import importlib

    from jackfield.dashboard.current import application

    importlib.import_module(f"jackfield.dashboard.{page}").draw(application())


def open_page(page: str, **state: object) -> AppTest:
    """Draw a page once; ``state`` is what its session begins with, "__" for each colon."""
    test = AppTest.from_function(script, args=(page,), default_timeout=PATIENCE)
    for name, value in state.items():
        test.session_state[name.replace("__", ":")] = value
    return run(test)


def run(test: AppTest) -> AppTest:
    """Draw again; nothing may be raised."""
    test.run()
    assert not test.exception
    return test


def press(test: AppTest, label: str) -> AppTest:
    """Press the first button of that name."""
    next(one for one in test.button if one.label == label).click()
    return run(test)


def labels(test: AppTest) -> list[str]:
    """The names of all buttons."""
    return [one.label for one in test.button]


def words(test: AppTest) -> str:
    """All that is written on the page outside of widgets."""
    return "\n".join(one.value for kind in TEXTS for one in test.get(kind))


def until(test: AppTest, fact: Callable[[], bool]) -> None:
    """Draw again until something is so."""
    end = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < end, words(test)
        time.sleep(0.05)
        run(test)
