"""Environments on the Plugins page, without a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest
from streamlit.testing.v1 import AppTest

from clashing_loader import ClashingLoader
from jackfield import Environment, Plugin, hookimpl
from jackfield.application import Application
from old_loader import brittle, old_loader
from page_test import labels, open_page, press, run, running_app, until, words


class Clashing(Plugin):
    """Opens models with a loader that has an environment of its own."""

    @hookimpl
    def jackfield_loaders(self) -> list[type[ClashingLoader]]:
        return [ClashingLoader]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    wheel = str(brittle(tmp_path, "1.0"))
    monkeypatch.setattr(ClashingLoader, "environment", Environment((wheel,)))
    with running_app(tmp_path / "home", clashing=Clashing) as app:
        yield app


def page() -> AppTest:
    return open_page("plugins", plugins__tabs="Environments")


def state(app: Application) -> str:
    return str(app.environment_jobs.get("clashing").state)


def test_it_is_made_repaired_used_and_removed(app: Application, tmp_path: Path) -> None:
    test = page()
    assert "Not made yet" in words(test) and "For the loader clashing" in words(test)
    press(test, "Make now")
    assert "Making it" in words(test)
    assert not {"Repair", "Make now", "Remove clashing"} & {*labels(test)}
    until(test, lambda: "Repair" in labels(test))
    assert state(app) == "ready"
    assert "MB on disk" in words(test)
    assert "jackfield_sample_brittle-1.0" in words(test)

    (app.paths.environments / "clashing" / "jackfield.json").unlink()
    run(test)
    assert "Half made" in words(test) and "it is not used" in words(test)
    press(test, "Repair")
    until(test, lambda: "Repair" in labels(test) and "Half made" not in words(test))
    assert state(app) == "ready"

    (app.paths.models / "vase.clash").write_text("old")
    app.portal.call(app.engine.load, "vase")
    run(test)
    assert "In use by vase" in words(test)
    assert next(one for one in test.button if one.label == "Repair").disabled
    press(test, "Remove clashing")  # as in a tab that was drawn before the model was loaded
    assert "cannot be removed: 'vase' runs in it" in test.error[0].value.replace("\\", "")
    app.portal.call(app.engine.unload, "vase")
    run(test)
    press(test, "Remove clashing")
    assert state(app) == "not made"
    assert not (app.paths.environments / "clashing").exists()


def test_a_making_that_fails_says_why_and_can_be_tried_again(app: Application) -> None:
    app.settings.set("offline", True)
    test = press(page(), "Make now")
    until(test, lambda: bool(test.error))
    assert "offline mode is on" in test.error[0].value
    assert "Make now" in labels(test)


def test_one_that_another_process_makes_is_shown_as_such(app: Application) -> None:
    (app.paths.environments / "clashing").mkdir(parents=True)
    with filelock.FileLock(app.paths.environments / "clashing.lock"):
        test = page()
        assert "Being made" in words(test)
        assert "Another process is making it" in words(test)
        shutil.rmtree(app.paths.environments / "clashing")
    run(test)
    assert "Not made yet" in words(test)


def test_one_that_nobody_needs_any_more_can_only_be_removed(app: Application) -> None:
    app.plugins.unregister("clashing")
    (app.paths.environments / "clashing").mkdir(parents=True)
    test = page()
    assert "No enabled loader needs it" in words(test)
    assert "Repair" not in labels(test)
    press(test, "Remove clashing")
    assert "No loader needs one." in words(test)


def test_what_an_isolated_plugin_would_bring_is_shown_before(
    app: Application, tmp_path: Path
) -> None:
    wheel = old_loader(tmp_path)
    test = open_page("plugins", plugins__tabs="Install")
    assert "dependencies clash" in words(test)
    test.text_input(key="plugins:spec").set_value(str(wheel))
    test.checkbox(key="plugins:isolated").set_value(True)
    press(test, "Check")
    until(test, lambda: "Install" in labels(test) or bool(test.error))
    assert "New: antique 1.0" in words(test)
    assert "In an environment of its own: `jackfield-sample-brittle==1.0`" in words(test)
    press(test, "Cancel")
    assert "Install" not in labels(test)
