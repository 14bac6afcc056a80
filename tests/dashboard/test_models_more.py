"""Getting models on the Models page, without a browser: from a server that speaks as the Hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from streamlit.testing.v1 import AppTest

from hub_downloads import FILE, HERE, NAME, SIZE
from hub_server import HubServer, Misbehaviour, Repository
from jackfield import FileSource, ModelSource, Offer, Plugin, hookimpl
from jackfield.application import Application
from jackfield.catalog.download_job import Download
from jackfield.dashboard.models.fit import Space, bits, names, needed, quality, suggested
from jackfield.testing import FakePlugin
from jackfield_loaders.gguf import Gguf
from jackfield_plugins.hub import Hub
from jackfield_plugins.links import Links
from page_test import labels, open_page, press, run, running_app, until, words

GATED = "owner/Locked-GGUF"
MANY = "owner/Many-7B-GGUF"


@pytest.fixture
def hub(smollm2: Path) -> Iterator[HubServer]:
    kinds = ("Q2_K", "Q4_K_M", "Q8_0")
    with HubServer() as hub:
        hub.repositories[NAME] = Repository({FILE: smollm2}, downloads=2_500_000)
        hub.repositories[MANY] = Repository({f"Many-7B.{kind}.gguf": smollm2 for kind in kinds})
        hub.repositories[GATED] = Repository({"Locked.Q4_0.gguf": smollm2}, gated="manual")
        yield hub


@pytest.fixture
def app(tmp_path: Path, hub: HubServer) -> Iterator[Application]:
    with running_app(tmp_path, fake=FakePlugin, gguf=Gguf, hub=Hub, links=Links) as app:
        app.plugins.configure("hub", {"endpoint": hub.url})
        yield app


def looked(text: str) -> AppTest:
    """The page once something was looked for and the answer is there."""
    test = open_page("models", models__tabs="Get more")
    test.text_input(key="models:more:words").set_value(text)
    press(test, "Search")
    settled(test)
    return test


def settled(test: AppTest) -> None:
    until(test, lambda: ":material/hourglass_top:" not in words(test))


def job(app: Application) -> Download:
    return app.downloads.list()[0]


def test_words_are_looked_for_and_a_version_is_fetched_and_loaded(app: Application) -> None:
    test = looked("smollm2")
    assert "1 found for smollm2" in words(test)
    assert "apache-2.0" in words(test)
    assert "fetched 2.5M times lately" in words(test)
    press(test, "Choose a version")
    settled(test)
    assert "It needs about 408 MB of memory" in words(test)
    press(test, "Download (98.4 MB)")
    until(test, lambda: "Load it" in labels(test))
    assert f"{HERE} is here and checked" in words(test).replace("\\", "")
    assert {"Chat", "Dismiss"} <= set(labels(test))
    press(test, "Load it")
    resident = app.engine.resident(HERE)
    assert resident is not None
    until(test, lambda: resident.state == "ready")
    assert "Load it" not in labels(test)


def test_a_name_on_the_hub_or_an_address_shows_its_versions_at_once(
    app: Application, hub: HubServer
) -> None:
    test = looked(MANY)
    box = test.selectbox(key=f"models:version:{MANY}")
    assert box.options[box.index] == "Q4_K_M · 98.4 MB · fits · suggested"
    assert len(box.options) == 3
    assert "the usual choice" in words(test)
    box.select(2)
    run(test)
    assert "hardly to be told from the original" in words(test)
    test = looked(f"{hub.url}/{NAME}/resolve/main/{FILE}")
    assert f"Will be called {HERE}" in words(test).replace("\\", "")


def test_another_name_and_revision_stand_under_more(app: Application, hub: HubServer) -> None:
    hub.repositories[NAME].revisions = ("main", "v2")
    test = looked("smollm2")
    press(test, "Choose a version")
    settled(test)
    assert "Revision" not in [one.label for one in test.text_input]
    test.toggle[0].set_value(True)
    run(test)
    next(one for one in test.text_input if one.label == "Revision").set_value("v2")
    press(test, "Look it up")
    settled(test)
    test.toggle[0].set_value(True)
    run(test)
    next(one for one in test.text_input if one.label == "Name here").set_value("little")
    run(test)
    press(test, "Download (98.4 MB)")
    until(test, lambda: "Load it" in labels(test))
    assert job(app).model == "little"
    assert "@v2" in job(app).reference


def test_a_wrong_revision_says_so_and_the_way_back(app: Application) -> None:
    test = looked(f"{NAME}@none")
    assert "has no revision 'none'" in test.error[0].value
    assert "Try again" in labels(test)
    press(test, "Close")
    assert not test.error


def test_a_typing_error_leads_to_the_nearest_name(app: Application) -> None:
    test = looked("owner/SmolLM2-135M-Instruct-GGU")
    assert "There is no model" in test.error[0].value
    press(test, next(one for one in labels(test) if one.startswith("Look for")))
    settled(test)
    assert "Download (98.4 MB)" in labels(test)


def test_a_locked_model_says_where_to_accept_and_where_the_token_goes(
    app: Application, hub: HubServer
) -> None:
    test = looked("locked")
    press(test, "Choose a version")
    settled(test)
    assert f"{hub.url}/{GATED}" in test.warning[0].value
    assert "Options of hub" in labels(test)
    press(test, "Download (98.4 MB)")
    until(test, lambda: bool(test.error))
    assert "not open to everybody" in test.error[0].value
    app.plugins.configure("hub", {"token": hub.token})
    press(test, "Try again")
    until(test, lambda: "Load it" in labels(test))


def test_a_source_that_cannot_be_asked_says_why(app: Application, hub: HubServer) -> None:
    hub.wrong = Misbehaviour(cut_off=True)
    test = looked("smollm2")
    assert "Hugging Face Hub: The Hub at" in test.error[0].value.replace("\\", "")
    assert "could not be looked for" not in words(test)  # the other sources could be
    assert "Options of hub" in labels(test)


def test_nothing_found_says_what_to_try(app: Application) -> None:
    assert "Try fewer or other words" in words(looked("no such thing"))


def test_offline_nothing_is_asked(app: Application, hub: HubServer) -> None:
    app.settings.set("offline", True)
    test = open_page("models", models__tabs="Get more")
    assert "Offline mode is on" in test.warning[0].value
    assert next(one for one in test.button if one.label == "Search").disabled
    assert "Open settings" in labels(test)
    assert hub.asked == []


def test_a_download_is_paused_goes_on_and_is_thrown_away_only_when_that_is_confirmed(
    app: Application, hub: HubServer
) -> None:
    hub.wrong = Misbehaviour(hold_at=60_000_000)
    test = press(looked(NAME), "Download (98.4 MB)")
    until(test, lambda: job(app).done > 55_000_000)
    assert "of 98.4 MB" in test.get("progress")[0].proto.text
    press(test, "Pause")
    hub.release.set()
    until(test, lambda: "Resume" in labels(test))
    assert "what has arrived is kept" in test.get("progress")[0].proto.text
    assert "Cancel" not in labels(test)  # it opens what asks
    hub.wrong = Misbehaviour()
    press(test, "Resume")
    until(test, lambda: "Load it" in labels(test))
    assert hub.served < SIZE + 40_000_000


def test_much_that_has_arrived_is_thrown_away_on_demand(app: Application, hub: HubServer) -> None:
    hub.wrong = Misbehaviour(hold_at=60_000_000)
    test = press(looked(NAME), "Download (98.4 MB)")
    until(test, lambda: job(app).done > 55_000_000)
    run(test)
    throw = next(one for one in labels(test) if one.startswith("Throw away"))
    press(test, throw)
    hub.release.set()
    until(test, lambda: "Nothing of it was kept" in words(test))
    press(test, "Dismiss")
    assert app.downloads.list() == []


def test_of_three_downloads_one_waits_and_says_its_place(app: Application, hub: HubServer) -> None:
    hub.wrong = Misbehaviour(hold_at=1_000_000)
    _, found = zip(*app.downloads.variants(MANY), strict=True)
    for offer in found:
        app.downloads.start("hub", offer)
    test = open_page("models")
    until(test, lambda: [one.state for one in app.downloads.list()].count("running") == 2)
    run(test)
    bars = [one.proto.text for one in test.get("progress")]
    assert "Number 1 of those that wait; two are fetched at once" in bars
    for one in app.downloads.list():
        app.downloads.cancel(one.id)
    hub.release.set()


def test_what_a_killed_server_left_is_listed_and_goes_on(app: Application, hub: HubServer) -> None:
    hub.wrong = Misbehaviour(hold_at=30_000_000)
    _, offer = app.downloads.resolve(NAME)
    started = app.downloads.start("hub", offer)
    test = open_page("models")
    until(test, lambda: job(app).done > 20_000_000)
    app.downloads.pause(started.id)
    hub.release.set()
    until(test, lambda: job(app).state == "paused")
    note = next((app.paths.models / ".partial" / HERE).glob("*.json"))
    note.write_text(note.read_text().replace('"state":"paused"', '"state":"running"'))
    test = open_page("models")
    assert "Jackfield ended while it ran" in test.get("progress")[0].proto.text
    hub.wrong = Misbehaviour()
    press(test, "Resume")
    until(test, lambda: "Load it" in labels(test))


class Sizes(FileSource):
    """Has a model in sizes that no test computer has and one that every one has."""

    name: ClassVar[str] = "sizes"
    title: ClassVar[str] = "Sizes"

    def variants(self, reference: str) -> Sequence[Offer]:
        sizes = {"Q2_K": 10_000_000, "Q4_K_M": 10**14, "Q8_0": 10**15}
        return [
            Offer(name=kind.lower(), title=kind, quantization=kind, size=size)
            for kind, size in sizes.items()
        ]


def test_what_fits_is_suggested_and_what_is_too_big_says_so(app: Application) -> None:
    class SizesPlugin(Plugin):
        """Has the sizes."""

        @hookimpl
        def jackfield_model_sources(self) -> list[ModelSource]:
            return [Sizes()]

    app.plugins.register("sizes", SizesPlugin)
    app.plugins.disable("hub")
    app.plugins.disable("links")
    test = looked("some/thing")
    box = test.selectbox(key="models:version:some/thing")
    assert box.options[box.index] == "Q2_K · 10.0 MB · fits · suggested"
    assert "Q8_0 · 1000.0 TB · too big for this computer" in box.options
    box.select(1)
    run(test)
    assert "Choose a smaller version" in words(test)
    app.plugins.unregister("sizes")


def offer(quantization: str, size: int) -> Offer:
    return Offer(
        name=f"m-{quantization}".lower(), title="M", quantization=quantization, size=size * 10**9
    )


def test_the_suggestion_is_the_usual_precision_or_the_best_that_fits() -> None:
    found = [offer("Q2_K", 3), offer("Q4_K_S", 4), offer("Q4_K_M", 5), offer("Q8_0", 8)]
    assert suggested(found, Space(free=20 * 10**9, limit=30 * 10**9)) == 2
    assert suggested(found, Space(free=5 * 10**9, limit=30 * 10**9)) == 1
    assert suggested(found, Space(free=4 * 10**9, limit=30 * 10**9)) == 0
    assert suggested(found, Space(free=10**9, limit=30 * 10**9)) == 0
    space = Space(free=6 * 10**9, limit=7 * 10**9)
    assert [space.judge(one) for one in found] == ["fits", "fits", "fits", "too big"]
    assert Space(free=0, limit=7 * 10**9).judge(found[0]) == "tight"
    assert space.judge(Offer(name="m", title="M")) == ""
    assert needed(found[0]) > found[0].size


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [("Q4_K_M", 4), ("UD-IQ2_XXS", 2), ("BF16", 16), ("F32", 32), ("MXFP4_MOE", 4), ("", 0)],
)
def test_the_bits_of_a_weight_are_read_from_a_quantization(
    quantization: str, expected: int
) -> None:
    assert bits(quantization) == expected
    assert bool(quality(offer(quantization, 1))) == bool(expected)


def test_versions_of_one_quantization_are_told_apart_by_their_names() -> None:
    twice = [
        Offer(name="a-q4", title="A", quantization="Q4"),
        Offer(name="b-q4", title="B", quantization="Q4"),
        Offer(name="c", title="C"),
    ]
    assert names(twice) == ["a-q4", "b-q4", "C"]
