"""Downloads that are paused, killed, taken up again and cancelled, from a local Hub."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub_downloads import FILE, HERE, NAME, SIZE, downloads, hub_source, partial_files
from hub_server import PIECE, HubServer, Misbehaviour, Repository, sha256
from jackfield.catalog.download_job import Download, Job
from jackfield.catalog.downloads import Downloads
from jackfield.errors import InvalidRequest, JackfieldError, NotFound
from jackfield.paths import Paths
from model_shelf import Shelf, good, make, nothing_left

HELD = 300 * PIECE


@pytest.fixture
def hub(smollm2: Path) -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.repositories[NAME] = Repository({FILE: smollm2})
        yield hub


@pytest.fixture
def fetching(paths: Paths, hub: HubServer) -> Iterator[Downloads]:
    made = downloads(paths, hub_source(hub))
    yield made
    made.close()


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def part(paths: Paths) -> Path:
    return paths.models / ".partial" / HERE / HERE / f"{FILE}.part"


def arrived(paths: Paths) -> int:
    return part(paths).stat().st_size if part(paths).exists() else 0


def held(hub: HubServer, fetching: Downloads, paths: Paths) -> Download:
    """A download that has come to the byte at which its server stops."""
    hub.wrong = Misbehaviour(hold_at=HELD)
    job = fetching.start("hub", NAME)
    until(lambda: arrived(paths) == HELD)
    return job


def is_right(paths: Paths, smollm2: Path) -> bool:
    return sha256.__wrapped__(paths.models / HERE / FILE) == sha256(smollm2)


FETCH = """
    import sys
    from pathlib import Path
    from hub_downloads import NAME, downloads, hub_source
    from jackfield.paths import Paths

    fetching = downloads(Paths(Path(sys.argv[1])), hub_source(sys.argv[2]))
    fetching.run(*fetching.resolve(NAME))
"""


def fetch_in_a_process(paths: Paths, hub: HubServer) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(FETCH), str(paths.home), hub.url],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )


def test_a_download_that_is_killed_five_times_resumes_to_the_right_hash(
    paths: Paths, hub: HubServer, smollm2: Path
):
    for kill in range(1, 6):
        hub.wrong = Misbehaviour(hold_at=kill * 240 * PIECE)
        child = fetch_in_a_process(paths, hub)
        try:
            until(lambda: arrived(paths) == hub.wrong.hold_at)
            child.send_signal(signal.SIGKILL)
        finally:
            child.kill()
            child.wait(20)
        (left,) = downloads(paths, hub_source(hub)).list()
        assert (left.state, left.interrupted, left.kept) == ("paused", True, True)
        assert not (paths.models / HERE).exists()
    hub.wrong = Misbehaviour()
    child = fetch_in_a_process(paths, hub)
    assert child.wait(60) == 0
    assert is_right(paths, smollm2)
    assert hub.served == SIZE, "no byte was fetched twice"
    assert len([one for one in hub.bytes_asked() if one]) == 5
    assert partial_files(paths) == []


def test_an_interrupted_download_is_listed_by_the_next_start_and_goes_on(
    paths: Paths, hub: HubServer, smollm2: Path
):
    hub.wrong = Misbehaviour(hold_at=HELD)
    child = fetch_in_a_process(paths, hub)
    try:
        until(lambda: arrived(paths) == HELD)
        fetching = downloads(paths, hub_source(hub))
        (busy,) = fetching.list()
        assert (busy.state, busy.elsewhere) == ("running", True)
        for refused in (fetching.pause, fetching.resume, fetching.cancel):
            with pytest.raises(InvalidRequest, match="another Jackfield process"):
                refused(busy.id)
    finally:
        child.kill()
        child.wait(20)
    fetching.clean()
    (job,) = fetching.list()
    assert (job.id, job.state, job.offer, job.reference) == (
        busy.id,
        "paused",
        HERE,
        f"{NAME}:Q4_1",
    )
    hub.wrong = Misbehaviour()
    assert fetching.resume(job.id).id == job.id
    until(lambda: fetching.get(job.id).state == "done")
    assert is_right(paths, smollm2)
    assert hub.served == SIZE


def test_a_paused_download_keeps_what_has_arrived_and_goes_on(
    fetching: Downloads, paths: Paths, hub: HubServer, smollm2: Path
):
    job = held(hub, fetching, paths)
    fetching.pause(job.id)
    until(lambda: fetching.get(job.id).state == "paused")
    assert arrived(paths) == HELD
    (paused,) = fetching.list()
    assert (paused.id, paused.done, paused.total, paused.interrupted) == (
        job.id,
        HELD,
        SIZE,
        False,
    )
    assert paused.bytes_per_second == 0.0
    fetching.pause(job.id)
    hub.wrong = Misbehaviour()
    fetching.resume(job.id)
    until(lambda: fetching.get(job.id).state == "done")
    assert is_right(paths, smollm2)
    assert hub.served == SIZE
    assert [one.state for one in fetching.list()] == ["done"]
    with pytest.raises(InvalidRequest, match="cannot be resumed: it is done"):
        fetching.resume(job.id)
    with pytest.raises(InvalidRequest, match="cannot be paused: it is done"):
        fetching.pause(job.id)


def test_pausing_takes_no_time_though_the_server_is_silent(
    fetching: Downloads, paths: Paths, hub: HubServer
):
    job = held(hub, fetching, paths)
    began = time.monotonic()
    fetching.pause(job.id)
    until(lambda: fetching.get(job.id).state == "paused")
    assert time.monotonic() - began < 2


def test_resuming_what_is_just_being_paused_lets_it_go_on(
    fetching: Downloads, paths: Paths, hub: HubServer, smollm2: Path
):
    job = held(hub, fetching, paths)
    fetching.pause(job.id)
    hub.wrong = Misbehaviour()
    fetching.resume(job.id)
    until(lambda: fetching.get(job.id).state == "done")
    assert is_right(paths, smollm2)


def test_asking_for_the_same_again_goes_on_with_what_was_paused(
    fetching: Downloads, paths: Paths, hub: HubServer, smollm2: Path
):
    job = held(hub, fetching, paths)
    fetching.pause(job.id)
    until(lambda: fetching.get(job.id).state == "paused")
    hub.wrong = Misbehaviour()
    assert fetching.run("hub", NAME).name == HERE
    assert is_right(paths, smollm2)
    assert hub.served == SIZE
    assert fetching.list() == []


def test_asking_for_something_else_of_that_name_begins_anew(
    fetching: Downloads, paths: Paths, hub: HubServer, smollm2: Path
):
    job = held(hub, fetching, paths)
    fetching.pause(job.id)
    until(lambda: fetching.get(job.id).state == "paused")
    hub.wrong = Misbehaviour()
    other = NAME.replace("owner", "another")
    hub.repositories[other] = Repository({FILE: smollm2})
    assert fetching.run("hub", other).name == HERE
    assert hub.served == HELD + SIZE
    assert partial_files(paths) == []


@pytest.mark.parametrize("paused", [False, True])
def test_cancelling_removes_all_that_has_arrived(
    fetching: Downloads, paths: Paths, hub: HubServer, paused: bool
):
    job = held(hub, fetching, paths)
    if paused:
        fetching.pause(job.id)
        until(lambda: fetching.get(job.id).state == "paused")
    fetching.cancel(job.id)
    until(lambda: fetching.get(job.id).state == "cancelled")
    assert nothing_left(paths)
    assert [one.state for one in fetching.list()] == ["cancelled"]
    with pytest.raises(InvalidRequest, match="cannot be resumed: it is cancelled"):
        fetching.resume(job.id)
    fetching.remove(job.id)
    assert fetching.list() == []


def test_a_server_that_went_away_leaves_a_failed_download_that_can_go_on(
    fetching: Downloads, paths: Paths, hub: HubServer, smollm2: Path
):
    hub.wrong = Misbehaviour(drop_after=30 * PIECE)
    job = fetching.start("hub", NAME)
    until(lambda: arrived(paths) >= 60 * PIECE)
    hub.wrong = Misbehaviour(cut_off=True)
    until(lambda: fetching.get(job.id).state == "failed")
    failed = fetching.get(job.id)
    assert "stopped after" in failed.error and "is kept" in failed.hint
    assert failed.kept
    assert arrived(paths) >= 60 * PIECE
    hub.wrong = Misbehaviour()
    fetching.resume(job.id)
    until(lambda: fetching.get(job.id).state == "done")
    assert is_right(paths, smollm2)
    assert hub.served == SIZE


def test_a_download_is_resumed_in_the_moment_in_which_it_fails(
    fetching: Downloads,
    paths: Paths,
    hub: HubServer,
    smollm2: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    fail = Job.fail

    def fail_slowly(job: Job, error: JackfieldError) -> None:
        fail(job, error)
        time.sleep(0.5)

    monkeypatch.setattr(Job, "fail", fail_slowly)
    hub.wrong = Misbehaviour(drop_after=30 * PIECE)
    job = fetching.start("hub", NAME)
    until(lambda: arrived(paths) >= 60 * PIECE)
    hub.wrong = Misbehaviour(cut_off=True)
    until(lambda: fetching.get(job.id).state == "failed")
    hub.wrong = Misbehaviour()
    fetching.resume(job.id)
    until(lambda: fetching.get(job.id).state in ("done", "failed"))
    assert is_right(paths, smollm2)


def test_closing_pauses_what_can_go_on_later(
    fetching: Downloads, paths: Paths, hub: HubServer, smollm2: Path
):
    job = held(hub, fetching, paths)
    waiting = fetching.start("hub", NAME, name="second")
    fetching.close()
    assert {one.state for one in fetching.list()} == {"paused"}
    after = downloads(paths, hub_source(hub))
    assert {one.id for one in after.list()} == {job.id, waiting.id}
    hub.wrong = Misbehaviour()
    after.resume(job.id)
    until(lambda: after.get(job.id).state == "done")
    assert is_right(paths, smollm2)


def test_a_waiting_download_can_be_paused_and_resumed(
    fetching: Downloads, paths: Paths, hub: HubServer
):
    hub.wrong = Misbehaviour(hold_at=HELD)
    jobs = [fetching.start("hub", NAME, name=f"model-{one}") for one in range(3)]
    until(lambda: [job.done for job in jobs] == [HELD, HELD, 0])
    assert jobs[2].state == "queued"
    fetching.pause(jobs[2].id)
    assert fetching.get(jobs[2].id).state == "paused"
    fetching.cancel(jobs[0].id)
    until(lambda: fetching.get(jobs[0].id).state == "cancelled")
    time.sleep(0.3)
    assert fetching.get(jobs[2].id).state == "paused"
    fetching.resume(jobs[2].id)
    until(lambda: fetching.get(jobs[2].id).done == HELD)


def test_speed_and_time_left_are_told(fetching: Downloads, paths: Paths, hub: HubServer):
    job = held(hub, fetching, paths)
    fetching.cancel(job.id)
    until(lambda: job.state == "cancelled")
    hub.wrong = Misbehaviour()
    told: list[tuple[float, float | None]] = []
    fetching.run("hub", NAME, lambda job: told.append((job.bytes_per_second, job.seconds_left)))
    assert max(speed for speed, _ in told) > 1_000_000
    assert any(left is not None and 0 <= left < 60 for _, left in told)


def test_a_source_that_begins_anew_each_time_cannot_be_paused(paths: Paths):
    def slow(folder: Path, progress: object, cancelled: Callable[[], bool]) -> Path:
        until(cancelled)
        return good(folder, progress, cancelled)

    fetching = make(paths, Shelf(slow=slow))
    job = fetching.start("shelf", "slow")
    with pytest.raises(InvalidRequest, match="always begins anew"):
        fetching.pause(job.id)
    with pytest.raises(InvalidRequest, match="has not ended"):
        fetching.remove(job.id)
    fetching.close()
    assert job.state == "cancelled"
    with pytest.raises(NotFound):
        fetching.pause("nothing")


def test_a_broken_note_of_a_download_is_passed_over(paths: Paths, hub: HubServer):
    folder = paths.models / ".partial" / HERE
    folder.mkdir(parents=True)
    (folder / ".job.json").write_text("{broken")
    fetching = downloads(paths, hub_source(hub))
    assert fetching.list() == []
    fetching.clean()
    assert not folder.exists()
