"""Downloads: whole or not at all, one of a kind, two at once, cancelled, out of disk, killed."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gguf_files import small_gguf
from jackfield import Offer
from jackfield.catalog.catalog import Catalog
from jackfield.catalog.downloads import Download, Downloads
from jackfield.errors import DownloadError, InvalidRequest, NotFound
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.settings_store import SettingsStore
from jackfield_loaders.gguf import Gguf
from model_shelf import Shelf, ended, good, left, make, nothing_left, raising, shelf_plugin


class Gate:
    """A fetch that waits in the middle until it is let on or cancelled."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(
        self, folder: Path, progress: Callable[[int, int, str], None], cancelled: Callable[[], bool]
    ) -> Path:
        path = small_gguf(folder / "slow.gguf")
        progress(500, 1000, "downloading")
        self.reached.set()
        until = time.monotonic() + 30
        while not (self.open.wait(0.01) or cancelled()) and time.monotonic() < until:
            pass
        return path


def test_a_fetched_model_lies_in_a_folder_of_its_name_with_a_note(paths: Paths):
    model = make(paths, Shelf(tiny=good)).run("shelf", "tiny")
    assert (model.name, model.error, model.source) == ("tiny", "", "shelf")
    folder = paths.models / "tiny"
    content = (folder / "tiny.gguf").read_bytes()
    note = json.loads((folder / "jackfield.json").read_text())
    assert note["name"] == "tiny"
    assert note["source"] == "shelf"
    assert note["license"] == "MIT"
    assert note["size"] == len(content)
    assert note["sha256"] == hashlib.sha256(content).hexdigest()
    assert {path.relative_to(paths.models).parts[0] for path in left(paths)} == {"tiny"}


def test_what_is_put_into_its_place_meanwhile_is_not_deleted(paths: Paths):
    gate = Gate()
    downloads = make(paths, Shelf(slow=gate))
    job = downloads.start("shelf", "slow")
    assert gate.reached.wait(30)
    mine = paths.models / "slow" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("dear to me")
    gate.open.set()
    assert ended(job).state == "failed" and "not empty" in job.error
    assert mine.read_text() == "dear to me"


def test_a_download_in_the_background_reports_its_progress_and_end(paths: Paths):
    gate = Gate()
    downloads = make(paths, Shelf(slow=gate))
    job = downloads.start("shelf", "slow")
    assert gate.reached.wait(10)
    assert (job.state, job.done, job.total, job.stage) == ("running", 500, 1000, "downloading")
    assert downloads.get(job.id) is job
    assert downloads.list() == [job]
    gate.open.set()
    assert ended(job).state == "done"
    assert (job.model, job.error) == ("slow", "")


def test_starting_a_running_download_again_gives_the_same_one(paths: Paths):
    gate = Gate()
    downloads = make(paths, Shelf(slow=gate))
    job = downloads.start("shelf", "slow")
    assert gate.reached.wait(10)
    assert downloads.start("shelf", "slow") is job
    with pytest.raises(InvalidRequest, match="is being fetched by another"):
        downloads.run("shelf", "slow")
    gate.open.set()
    assert ended(job).state == "done"


def test_a_model_that_is_here_is_not_fetched_again(paths: Paths):
    downloads = make(paths, Shelf(tiny=good))
    downloads.run("shelf", "tiny")
    for fetch in (downloads.run, downloads.start):
        with pytest.raises(InvalidRequest, match="'tiny' is here already") as caught:
            fetch("shelf", "tiny")
        assert "models remove tiny" in caught.value.hint


def test_a_model_of_that_name_put_here_by_hand_counts_as_well(paths: Paths):
    small_gguf(paths.models / "Tiny.gguf")
    with pytest.raises(InvalidRequest, match="'tiny' is here already"):
        make(paths, Shelf(tiny=good)).run("shelf", "tiny")


def test_a_folder_whose_model_was_deleted_by_hand_is_filled_again(paths: Paths):
    downloads = make(paths, Shelf(tiny=good))
    downloads.run("shelf", "tiny")
    (paths.models / "tiny" / "tiny.gguf").unlink()
    assert downloads.run("shelf", "tiny").error == ""


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_else_lies_where_a_model_would_go_is_not_touched(paths: Paths, kind: str):
    place = paths.models / "tiny"
    mine = place / "mine.txt" if kind == "folder" else place
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("keep")
    with pytest.raises(InvalidRequest, match="with something else in it"):
        make(paths, Shelf(tiny=good)).run("shelf", "tiny")
    assert mine.read_text() == "keep"


def test_cancelling_throws_away_what_has_arrived(paths: Paths):
    gate = Gate()
    downloads = make(paths, Shelf(slow=gate))
    job = downloads.start("shelf", "slow")
    assert gate.reached.wait(10)
    downloads.cancel(job.id)
    assert ended(job).state == "cancelled"
    assert job.error == ""
    assert nothing_left(paths)


def test_two_run_at_once_and_a_waiting_one_can_be_cancelled(paths: Paths):
    gates = {name: Gate() for name in ("a", "b", "c", "d")}
    downloads = make(paths, Shelf(**gates))
    jobs = {name: downloads.start("shelf", name) for name in gates}
    waiting = _wait_for_two(jobs)
    assert len(waiting) == 2
    downloads.cancel(jobs[waiting[0]].id)
    assert jobs[waiting[0]].state == "cancelled"
    for gate in gates.values():
        gate.open.set()
    assert sorted(ended(job).state for job in jobs.values()) == ["cancelled", *["done"] * 3]
    assert not gates[waiting[0]].reached.is_set()


def _wait_for_two(jobs: dict[str, Download]) -> list[str]:
    until = time.monotonic() + 10
    while sum(job.done == 500 for job in jobs.values()) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    return [name for name, job in jobs.items() if job.state == "queued"]


def test_closing_cancels_all_and_waits_until_they_have_tidied_up(paths: Paths):
    gates = {name: Gate() for name in ("a", "b", "c")}
    downloads = make(paths, Shelf(**gates))
    jobs = [downloads.start("shelf", name) for name in gates]
    _wait_for_two({job.offer: job for job in jobs})
    downloads.close()
    assert {job.state for job in jobs} == {"cancelled"}
    assert left(paths) == []


def test_a_failed_download_can_be_tried_again(paths: Paths):
    source = Shelf(tiny=raising(DownloadError("no route")))
    downloads = make(paths, source)
    assert ended(downloads.start("shelf", "tiny")).state == "failed"
    source.fetches["tiny"] = good
    assert ended(downloads.start("shelf", "tiny")).state == "done"


def test_ctrl_c_leaves_nothing(paths: Paths):
    def interrupted(folder: Path, progress: object, cancelled: object) -> Path:
        small_gguf(folder / "half.gguf")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(paths, Shelf(slow=interrupted)).run("shelf", "slow")
    assert nothing_left(paths)


def test_what_nobody_offers_names_the_nearest_and_what_there_is(paths: Paths):
    downloads = make(paths, Shelf(tiny=good, large=good))
    assert downloads.find_offer("TINY")[0] == "shelf"
    with pytest.raises(NotFound, match="No source offers a model 'tinny'") as caught:
        downloads.find_offer("tinny")
    assert caught.value.hint == "Did you mean 'tiny'? There is: tiny, large."
    with pytest.raises(NotFound, match="no source 'shelve'"):
        downloads.start("shelve", "tiny")
    with pytest.raises(NotFound, match="does not offer 'huge'"):
        downloads.start("shelf", "huge")
    with pytest.raises(NotFound, match="no download 'x'"):
        downloads.get("x")


def test_a_source_that_fails_to_say_what_it_has_hides_no_other(paths: Paths):
    class Broken(Shelf):
        name = "broken"

        def offers(self) -> list[Offer]:
            raise RuntimeError("out of order")

    settings = SettingsStore(paths)
    plugins = PluginManager(paths, settings, entry_points=[])
    plugins.discover()
    plugins.register("gguf", Gguf)
    plugins.register("broken", shelf_plugin(Broken()))
    plugins.register("shelf", shelf_plugin(Shelf(tiny=good)))
    downloads = Downloads(paths, Catalog(paths, settings, plugins), plugins)
    assert [offer.name for _, offer in downloads.offers()] == ["tiny"]


def test_an_offer_whose_name_is_a_path_is_not_shown(paths: Paths):
    downloads = make(paths, Shelf(**{"../evil": good, "tiny": good, ".hidden": good}))
    assert [offer.name for _, offer in downloads.offers()] == ["tiny"]


class Advised(Shelf):
    def offers(self) -> list[Offer]:
        return [
            Offer(name="tiny", title="Tiny", template="chatml", sampling={"temperature": 0.2}),
        ]


def test_what_a_source_recommends_becomes_the_models_settings(paths: Paths):
    make(paths, Advised(tiny=good)).run("shelf", "tiny")
    kept = SettingsStore(paths).value.models["tiny"]
    assert (kept.template, kept.sampling) == ("chatml", {"temperature": 0.2})


def test_what_the_user_has_set_for_a_model_goes_before_what_its_source_recommends(paths: Paths):
    SettingsStore(paths).set(("models", "tiny", "template"), "llama3")
    make(paths, Advised(tiny=good)).run("shelf", "tiny")
    kept = SettingsStore(paths).value.models["tiny"]
    assert (kept.template, kept.sampling) == ("llama3", {})


def test_a_download_can_be_sent_as_json():
    sent = json.loads(msgspec.json.encode(Download("1", "shelf", "tiny")))
    assert sent["state"] == "queued"
    assert {"done", "total", "stage", "error", "hint", "bytes_per_second"} <= sent.keys()
