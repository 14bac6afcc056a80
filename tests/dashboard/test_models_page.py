"""What the Models page shows and does, without a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from streamlit.testing.v1 import AppTest

from jackfield import ModelSource, Offer, Plugin, hookimpl
from jackfield.application import Application
from jackfield.errors import DownloadError
from jackfield.testing import FakePlugin, fake_model
from page_test import labels, open_page, press, run, running_app, until, words


class Source(ModelSource):
    """Offers two models and waits to be told how each goes on."""

    name: ClassVar[str] = "shelf"
    title: ClassVar[str] = "The shelf"

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.fails = False

    def offers(self) -> Sequence[Offer]:
        return [Offer(name="tortoise", title="Tortoise", size=2_000_000, license="MIT")]

    def fetch(
        self,
        offer: Offer,
        folder: Path,
        progress: Callable[[int, int, str], None],
        cancelled: Callable[[], bool],
    ) -> Path:
        progress(500_000, 2_000_000, "downloading")
        while not self.go_on.wait(0.02) and not cancelled():
            pass
        if self.fails:
            raise DownloadError("It did not arrive whole.", hint="Try again later.")
        return fake_model(folder, "tortoise")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with running_app(tmp_path, fake=FakePlugin) as app:
        yield app


@pytest.fixture
def source(app: Application) -> Iterator[Source]:
    source = Source()

    class Shelf(Plugin):
        """Has a shelf of models."""

        @hookimpl
        def jackfield_model_sources(self) -> list[ModelSource]:
            return [source]

    app.plugins.register("shelf", Shelf)
    yield source
    source.go_on.set()
    app.plugins.unregister("shelf")


def page(tab: str = "", opened: str = "", panel: str = "Settings") -> AppTest:
    state: dict[str, object] = {"models__tabs": tab} if tab else {}
    if opened:
        state |= {"models__open": opened, f"models__panel__{opened}": panel}
    return open_page("models", **state)


def state(app: Application, model: str) -> str:
    resident = app.engine.resident(model)
    return resident.state if resident else "gone"


def test_without_a_model_it_offers_one(app: Application, source: Source) -> None:
    test = page()
    assert "Fetch one of these" in test.info[0].value
    press(test, "Download (2.0 MB)")
    source.go_on.set()
    until(test, lambda: "Load it" in labels(test))
    assert not test.info


def test_without_a_loader_it_says_so(app: Application) -> None:
    app.plugins.disable("fake")
    assert "Plugins page" in page().warning[0].value


TWIN = '''
from jackfield import Plugin, hookimpl
from jackfield.testing.fake import FakeLoader

class Twin(FakeLoader):
    name = "twin"
    extensions = ("fake", "gguf")

class Twins(Plugin):
    """Has a loader that opens what the fake one opens, and claims GGUF files."""

    @hookimpl
    def jackfield_loaders(self):
        return [Twin]
'''


def add_twin(app: Application) -> None:
    (app.paths.plugins / "twins.py").write_text(TWIN)
    app.plugins.discover()


def test_a_broken_file_is_shown_last_with_its_error_and_can_be_removed(app: Application) -> None:
    add_twin(app)
    path = app.paths.models / "a-text.gguf"
    path.write_text("once upon a time")
    fake_model(app.paths.models, "parrot")
    test = page()
    assert [one.value for one in test.subheader] == ["parrot", "a-text"]
    assert "not a GGUF file" in test.error[0].value
    press(test, "Delete a-text")
    assert not path.exists()
    assert not test.error


def test_of_loaders_that_do_equally_well_the_user_chooses_and_the_choice_is_kept(
    app: Application,
) -> None:
    add_twin(app)
    fake_model(app.paths.models, "parrot")
    test = page(opened="parrot")
    assert "equally well" in words(test)
    assert "Load" not in labels(test)
    test.selectbox[0].select("twin")
    run(test)
    press(test, "Load")
    until(test, lambda: state(app, "parrot") == "ready")
    resident = app.engine.resident("parrot")
    assert resident is not None
    assert resident.loader == "twin"
    assert app.settings.value.models["parrot"].loader == "twin"


def test_a_model_is_loaded_and_unloaded_with_proof(app: Application) -> None:
    fake_model(app.paths.models, "parrot", memory=50_000_000)
    test = page()
    press(test, "Load")
    until(test, lambda: state(app, "parrot") == "ready")
    run(test)
    assert "Load" not in labels(test)
    press(test, "Unload")
    until(test, lambda: bool(test.metric))
    before, after, _ = test.metric
    assert before.label == "Jackfield before"
    assert "freed" in after.delta
    assert state(app, "parrot") == "gone"
    press(test, "Dismiss")
    assert not test.metric


def test_loading_can_be_cancelled(app: Application) -> None:
    fake_model(app.paths.models, "parrot", load_delay=60)
    test = page()
    press(test, "Load")
    assert state(app, "parrot") == "loading"
    assert test.get("progress")
    press(test, "Cancel")
    until(test, lambda: state(app, "parrot") == "gone")


def test_a_model_that_cannot_be_loaded_shows_why_and_its_log(app: Application) -> None:
    fake_model(app.paths.models, "parrot", crash_on_load="raise", prints="something odd")
    test = page()
    press(test, "Load")
    until(test, lambda: state(app, "parrot") == "failed")
    run(test)
    assert "told to fail" in test.error[0].value
    next(one for one in test.toggle if one.label == "Log").set_value(True)
    run(test)
    assert "something odd" in test.code[0].value
    press(test, "Dismiss")
    until(test, lambda: state(app, "parrot") == "gone")


def test_the_load_form_loads_with_its_options_and_saves_them(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    test = page(opened="parrot")
    test.number_input[0].set_value(2048)
    press(run(test), "Save as this model's defaults")
    assert "n\\_ctx = 2048" in words(test)
    press(test, "Load")
    until(test, lambda: state(app, "parrot") == "ready")
    resident = app.engine.resident("parrot")
    assert resident is not None
    assert resident.info is not None
    assert resident.info.context_length == 2048
    kept = app.settings.value.models["parrot"]
    assert (kept.loader, kept.options) == ("", {"n_ctx": 2048})


def test_options_are_not_saved_unless_that_is_wanted(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    test = page(opened="parrot")
    test.number_input[0].set_value(2048)
    press(test, "Load")
    until(test, lambda: state(app, "parrot") == "ready")
    assert "parrot" not in app.settings.value.models


def test_an_option_that_was_saved_can_be_set_back_to_its_default(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    app.settings.set(("models", "parrot", "options"), {"n_ctx": 2048})
    test = page(opened="parrot")
    assert test.number_input[0].value == 2048
    press(test, "Reset")
    press(test, "Load")
    until(test, lambda: state(app, "parrot") == "ready")
    resident = app.engine.resident("parrot")
    assert resident is not None
    assert resident.options["n_ctx"] == 0
    press(test, "Save as this model's defaults")
    assert "parrot" not in app.settings.value.models


def test_the_estimate_follows_the_options(app: Application) -> None:
    fake_model(app.paths.models, "parrot", memory=1_000_000)
    test = page(opened="parrot")
    assert "45.1 MB" in words(test)
    test.number_input[0].set_value(100_000)
    run(test)
    assert "141 MB" in words(test)


def test_what_does_not_fit_is_said_before_it_is_loaded(app: Application) -> None:
    fake_model(app.paths.models, "parrot", memory=10**15)
    test = page(opened="parrot")
    assert "are free" in words(test)
    assert "will not load" in words(test)
    press(test, "Load")
    assert "needs about" in test.error[0].value and "at most" in test.error[0].value
    assert app.engine.resident("parrot") is None


def test_what_does_not_fit_can_be_loaded_anyway(app: Application) -> None:
    fake_model(app.paths.models, "parrot", memory=200_000_000)
    test = page(opened="parrot")
    assert not [one for one in test.checkbox if one.label == "Load anyway"]
    app.settings.set("engine.memory_budget_gb", 0.1)
    run(test)
    next(one for one in test.checkbox if one.label == "Load anyway").check()
    run(test)
    press(test, "Load")
    until(test, lambda: state(app, "parrot") == "ready")
    assert "not expected to fit" in words(run(test))


def test_a_model_in_memory_says_why_it_was_loaded_so(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    test = page(opened="parrot")
    press(test, "Load")
    until(test, lambda: state(app, "parrot") == "ready")
    assert "Loader fake\\: a fake model." in words(run(test))


def test_a_saved_option_that_is_not_valid_is_named(app: Application) -> None:
    fake_model(app.paths.models, "parrot")
    app.settings.set(("models", "parrot", "options"), {"n_ctx": -5})
    test = page(opened="parrot")
    assert "cannot be used" in words(test)


def test_removing_a_model_asks_first(app: Application) -> None:
    path = fake_model(app.paths.models, "parrot")
    test = page(opened="parrot", panel="Files")
    assert path.exists()
    press(test, "Delete parrot")
    assert not path.exists()
    assert test.info


def test_a_model_in_a_folder_of_the_users_is_not_deleted(app: Application, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    fake_model(folder, "parrot")
    app.settings.set("model_folders", [str(folder)])
    test = page(opened="parrot", panel="Files")
    assert "Delete parrot" not in labels(test)
    assert "outside the models folder" in words(test)


def test_folders_are_added_and_taken_off_the_list(app: Application, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    test = page("Folders")
    test.text_input[0].set_value(str(folder))
    press(test, "Add")
    assert app.settings.value.model_folders == [str(folder)]
    press(test, "Take off the list")
    assert app.settings.value.model_folders == []


def test_a_folder_that_is_not_there_is_refused(app: Application) -> None:
    test = page("Folders")
    test.text_input[0].set_value("/no/such/folder")
    press(test, "Add")
    assert app.settings.value.model_folders == []
    assert "/no/such/folder" in test.error[0].value


def test_without_a_source_it_says_what_to_do(app: Application) -> None:
    assert "packages" in page("Get more").info[0].value


def test_an_offer_says_its_size_and_licence_and_is_downloaded(
    app: Application, source: Source
) -> None:
    test = page("Get more")
    assert "2.0 MB to download" in words(test)
    assert "MIT" in words(test)
    press(test, "Download (2.0 MB)")
    until(test, lambda: bool(test.get("progress")) and app.downloads.list()[0].done > 0)
    run(test)
    assert "500 kB of 2.0 MB" in test.get("progress")[0].proto.text
    source.go_on.set()
    until(test, lambda: "Load it" in labels(test))
    assert "It is here already" in words(test)
    press(test, "Load it")
    until(test, lambda: state(app, "tortoise") == "ready")


def test_a_download_is_cancelled(app: Application, source: Source) -> None:
    test = press(page("Get more"), "Download (2.0 MB)")
    press(test, "Cancel")
    until(test, lambda: "Cancelled" in words(test))
    assert app.catalog.scan() == []


def test_a_failed_download_says_why_and_can_be_tried_again(
    app: Application, source: Source
) -> None:
    source.fails = True
    source.go_on.set()
    test = press(page("Get more"), "Download (2.0 MB)")
    until(test, lambda: bool(test.error))
    assert "did not arrive whole" in test.error[0].value
    assert "Try again later" in test.error[0].value
    source.fails = False
    press(test, "Try again")
    until(test, lambda: "Load it" in labels(test))
    assert not test.error


def test_offline_nothing_can_be_fetched(app: Application, source: Source) -> None:
    app.settings.set("offline", True)
    test = page("Get more")
    assert "Offline" in words(test)
    assert all(one.disabled for one in test.button if one.label.startswith("Download"))
