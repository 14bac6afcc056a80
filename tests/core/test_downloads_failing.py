"""Downloads that fail, run out of disk or are killed: nothing half-written stays."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gguf_files import small_gguf
from jackfield.errors import DiskFull, DownloadError, InvalidRequest, JackfieldError
from jackfield.paths import Paths
from model_shelf import Fetch, Shelf, ended, good, left, make, nothing_left, raising


def outside(folder: Path, progress: object, cancelled: object) -> Path:
    return small_gguf(folder.parent.parent.parent / "outside.gguf")


def text_file(folder: Path, progress: object, cancelled: object) -> Path:
    (folder / "page.gguf").write_text("<html>not found</html>")
    return folder / "page.gguf"


def cut_file(folder: Path, progress: object, cancelled: object) -> Path:
    path = small_gguf(folder / "cut.gguf")
    os.truncate(path, 300)
    return path


FAILURES: dict[str, tuple[Fetch, type[JackfieldError], str]] = {
    "the source says why": (raising(DownloadError("no route")), DownloadError, "no route"),
    "the source is broken": (raising(ZeroDivisionError("by 0")), DownloadError, "'shelf' failed"),
    "no permission": (raising(PermissionError(13, "Denied")), DownloadError, "written: Denied"),
    "nothing arrived": (lambda folder, *_: folder / "none", DownloadError, "brought nothing"),
    "it lies elsewhere": (outside, DownloadError, "brought nothing"),
    "it is a text": (text_file, DownloadError, "is not a GGUF file"),
    "it is cut": (cut_file, DownloadError, "truncated"),
    "disk full": (raising(OSError(28, "No space left")), DiskFull, "disk became full"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_download_says_why_and_leaves_nothing(
    paths: Paths, failure: tuple[Fetch, type[JackfieldError], str]
):
    fetch, kind, words = failure
    downloads = make(paths, Shelf(bad=fetch))
    with pytest.raises(kind, match=words):
        downloads.run("shelf", "bad")
    assert nothing_left(paths)
    job = ended(downloads.start("shelf", "bad"))
    assert job.state == "failed"
    assert words in job.error
    assert nothing_left(paths)


def test_too_little_disk_is_said_before_anything_is_fetched(paths: Paths):
    source = Shelf(tiny=raising(AssertionError("it was fetched")))
    source.size = 1 << 60
    with pytest.raises(DiskFull, match=r"needs \d+ MB of disk and \d+ MB are free") as caught:
        make(paths, source).run("shelf", "tiny")
    assert caught.value.details["needed"] > source.size
    assert caught.value.details["free"] > 0
    assert nothing_left(paths)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 150 MB, made in memory; needs root, as CI has."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, timeout=20)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=20)


def test_a_disk_that_becomes_full_during_a_download_leaves_nothing_half_written(small_disk: Path):
    written = []

    def endless(folder: Path, progress: Callable[[int, int, str], None], cancelled: object) -> Path:
        with (folder / "big.gguf").open("wb", buffering=0) as file:
            while True:
                written.append(file.write(bytes(1 << 20)))
                progress(sum(written), 0, "downloading")

    paths = Paths(small_disk / "home")
    paths.make()
    downloads = make(paths, Shelf(big=endless, tiny=good))
    with pytest.raises(DiskFull, match="disk became full") as caught:
        downloads.run("shelf", "big")
    assert "Free some space" in caught.value.hint
    assert sum(written) > 100_000_000
    assert nothing_left(paths)
    assert downloads.run("shelf", "tiny").name == "tiny"


KILLED = """
    import sys, time
    from pathlib import Path
    import model_shelf as tests

    def slow(folder, progress, cancelled):
        tests.small_gguf(folder / "whole.gguf")
        print("fetching", flush=True)
        time.sleep(60)

    tests.make(tests.Paths(Path(sys.argv[1])), tests.Shelf(slow=slow)).run("shelf", "slow")
"""


def test_a_killed_download_leaves_no_model_and_is_tidied_up_by_the_next_start(paths: Paths):
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(paths.home)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "fetching\n"
        downloads = make(paths, Shelf(slow=good))
        with pytest.raises(InvalidRequest, match="is being fetched by another"):
            downloads.run("shelf", "slow")
        downloads.clean()
        assert list(paths.models.rglob("whole.gguf")), "a download that runs is let be"
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.communicate(timeout=20)
    assert list(paths.models.rglob("whole.gguf"))
    assert make(paths, Shelf())._catalog.scan() == []
    downloads.clean()
    assert left(paths) == []
    assert downloads.run("shelf", "slow").name == "slow"


def test_a_download_after_a_killed_one_starts_from_nothing(paths: Paths):
    partial = paths.models / ".partial"
    small_gguf(partial / "tiny" / "old.gguf")
    (partial / "tiny.lock").touch()
    make(paths, Shelf(tiny=good)).run("shelf", "tiny")
    assert list(partial.iterdir()) == []
    assert sorted(path.name for path in (paths.models / "tiny").iterdir()) == [
        "jackfield.json",
        "tiny.gguf",
    ]
