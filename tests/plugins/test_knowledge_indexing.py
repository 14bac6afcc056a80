"""Collections: what is indexed, what is not indexed twice, and what a crash leaves behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jackfield import InvalidRequest, JackfieldError, NotFound
from jackfield_plugins.knowledge.jobs import Job
from jackfield_plugins.knowledge.library import InUse
from knowledge_bench import PATIENCE, TEXTS, Bench, ended, running, until, write_texts
from word_embedder import LIMIT, word_model


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with running(tmp_path / "home") as made:
        made.create()
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts")


def consistent(bench: Bench, name: str = "notes") -> bool:
    """Whether there is one vector for each chunk and none besides."""
    library = bench.library
    collection = library.catalogue.collection(name)
    return set(library.passages.keys(collection)) == set(library.vectors.keys(collection.id))


@contextmanager
def busy(bench: Bench) -> Iterator[None]:
    """While a job of another collection is at work, those after it wait."""
    over = threading.Event()
    job = bench.library.jobs.start(
        Job("index", "other", "Work"), lambda _: {"done": over.wait(PATIENCE)}
    )
    try:
        yield
    finally:
        over.set()
        ended(job)


def test_a_folder_is_indexed_and_headings_are_kept(bench: Bench, folder: Path) -> None:
    assert bench.add(folder).result["added"] == 3
    best = bench.search("How long does a loaf bake?")[0]
    assert best.label == "bread.md › Bread › Oven"
    assert "forty minutes" in best.chunk.text
    assert best.uri == f"/knowledge?collection=notes&document={best.document}&chunk=1"
    assert consistent(bench)


def test_the_same_document_is_not_indexed_twice(bench: Bench, folder: Path) -> None:
    bench.add(folder)
    (folder / "copy.md").write_text(TEXTS["bees.md"])
    again = bench.add(folder)
    assert again.result["duplicates"] == 1
    assert again.result["unchanged"] == 3
    assert again.result["embedded"] == 0
    assert "copy.md" not in bench.titles()


def test_a_file_that_goes_while_its_folder_is_looked_through_fails_no_job(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add(folder)
    found = list(bench.library.reader.files(folder))
    monkeypatch.setattr(bench.library.reader, "files", lambda _: found)
    found[0].unlink()
    job = bench.library.synchronize("notes", folder)
    assert job.wait(30)
    assert (job.state, job.error) == ("done", "")


def test_of_a_changed_document_only_what_changed_is_embedded(bench: Bench, folder: Path) -> None:
    bench.add(folder)
    (folder / "bread.md").write_text(TEXTS["bread.md"].replace("forty", "fifty"))
    again = bench.add(folder / "bread.md")
    assert (again.result["updated"], again.result["embedded"]) == (1, 1)
    assert "fifty minutes" in bench.search("loaf bakes fifty minutes")[0].chunk.text
    assert not [hit for hit in bench.search("forty", mode="bm25") if "forty" in hit.chunk.text]
    assert consistent(bench)


def test_a_document_that_is_removed_is_found_no_more(bench: Bench, folder: Path) -> None:
    bench.add(folder)
    hit = bench.search("queen eggs")[0]
    bench.library.remove("notes", hit.document)
    assert not [one for one in bench.search("queen eggs summer") if one.title == "bees.md"]
    assert bench.search("queen", mode="bm25") == []
    assert (folder / "bees.md").exists()
    assert consistent(bench)


def test_a_file_that_moved_keeps_its_vectors(bench: Bench, folder: Path) -> None:
    bench.add(folder)
    (folder / "bees.md").rename(folder / "hive.md")
    moved = bench.add(folder)
    assert moved.result["embedded"] == 0
    assert "hive.md" in bench.titles()
    assert "bees.md" not in bench.titles()


@pytest.mark.parametrize("copy", ["a-copy.md", "z-copy.md"])
def test_a_copy_is_kept_when_its_original_changes(bench: Bench, folder: Path, copy: str) -> None:
    bench.add(folder)
    (folder / copy).write_text(TEXTS["bees.md"])
    (folder / "bees.md").write_text("Wasps build of paper.")
    os.utime(folder / "bees.md", (1, 1))
    assert bench.add(folder).result["duplicates"] == 0
    assert bench.search("queen eggs", mode="bm25")[0].title == copy
    assert bench.search("wasps", mode="bm25")[0].title == "bees.md"
    assert consistent(bench)


def test_a_watched_folder_is_followed(bench: Bench, folder: Path) -> None:
    ended(bench.library.path("notes", folder))
    (folder / "new.txt").write_text("Lighthouses blink at night.")
    until(lambda: "new.txt" in bench.titles())
    (folder / "boats.txt").unlink()
    until(lambda: "boats.txt" not in bench.titles())
    assert bench.search("lighthouses")[0].title == "new.txt"
    bench.library.unwatch("notes", str(folder))
    assert bench.library.catalogue.collection("notes").folders == ()


def test_documents_of_a_folder_that_is_not_there_at_the_start_stay(
    bench: Bench, folder: Path
) -> None:
    ended(bench.library.path("notes", folder))
    bench.library._watcher.stop()
    folder.rename(folder.parent / "unplugged")
    bench.library.serve()
    for job in bench.library.jobs.of("notes"):
        ended(job)
    assert len(bench.titles()) == 3


def test_two_watched_folders_of_one_name_are_both_followed(bench: Bench, tmp_path: Path) -> None:
    folders = [tmp_path / one / "texts" for one in ("first", "second")]
    for folder in folders:
        folder.mkdir(parents=True)
        bench.library.catalogue.watch(bench.library.catalogue.collection("notes"), str(folder))
    with busy(bench):
        for folder in folders:
            (folder / f"{folder.parent.name}.txt").write_text(f"The {folder.parent.name} text.")
            bench.library._changed(str(folder))
    until(lambda: all(job.over for job in bench.library.jobs.of("notes")))
    assert {"first.txt", "second.txt"} == set(bench.titles())


def test_pasted_texts_pages_and_uploads_are_found(bench: Bench) -> None:
    ended(bench.library.text("notes", "Shopping", "Milk, eggs and a lemon."))
    ended(bench.library.page("notes", "https://example.org/moon"))
    ended(bench.library.upload("notes", [("b.txt", b"Wolves hunt in packs.")]))
    assert bench.search("lemon")[0].title == "Shopping"
    assert bench.search("air of the moon")[0].label == "The moon › Facts"
    assert bench.search("wolves")[0].kind == "upload"
    ended(bench.library.again("notes"))
    assert bench.search("wolves")[0].kind == "upload"


def test_of_two_uploads_of_one_name_the_last_counts(bench: Bench) -> None:
    files = [("a.txt", b"Wolves hunt in packs."), ("b.txt", b"Bats."), ("a.txt", b"Sheep graze.")]
    job = ended(bench.library.upload("notes", files))
    assert (job.state, job.result["added"]) == ("done", 2), job.error
    assert bench.search("sheep", mode="bm25")[0].title == "a.txt"
    assert consistent(bench)


def test_what_cannot_be_read_is_said_and_the_rest_is_indexed(bench: Bench, folder: Path) -> None:
    (folder / "broken.txt").write_bytes(b"\xff\xfe\x00binary")
    (folder / "empty.md").write_text("  \n")
    job = bench.add(folder)
    assert (job.state, job.result["added"], job.result["failed"]) == ("done", 3, 2)
    assert any("not text in UTF-8" in one for one in job.failures)
    assert any("holds no text" in one for one in job.failures)
    assert bench.add(folder).result["failed"] == 0  # not tried again until it changes


def test_every_chunk_is_within_the_models_limit(bench: Bench, tmp_path: Path) -> None:
    bench.create("long", tokens=4000)
    path = tmp_path / "long.md"
    path.write_text("# " + "heading " * 30 + "\n\n" + "a b c d e f g h i j " * 300)
    assert bench.add(path, "long").state == "done"
    document = bench.library.catalogue.documents(bench.library.catalogue.collection("long"))[0]
    sizes = [one.tokens for one in bench.library.passages.chunks(document)]
    assert len(sizes) > 10
    assert max(sizes) <= LIMIT


def test_a_job_that_is_cancelled_leaves_what_was_finished(bench: Bench, tmp_path: Path) -> None:
    word_model(bench.app.paths.models, "slow", delay=0.2)
    bench.create("slow", model="slow")
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(600):
        (folder / f"{number:03}.txt").write_text(f"Text number {number} tells of thing{number}.")
    job = bench.library.path("slow", folder, watch=False)
    until(lambda: job.finished >= 250)
    job.cancel()
    assert ended(job).state == "cancelled"
    there = len(bench.titles("slow"))
    assert 200 <= there < 600
    assert consistent(bench, "slow")
    assert bench.add(folder, "slow").result["added"] == 600 - there


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from knowledge_bench import running
with running(Path(sys.argv[1])) as bench:
    job = bench.library.path("slow", Path(sys.argv[2]), watch=False)
    while not job.over:
        print(job.finished, flush=True)
        job.wait(0.05)
"""


def test_what_the_program_was_ended_in_the_middle_of_is_indexed_later(tmp_path: Path) -> None:
    files = [(f"{at}.txt", f"Text number {at} tells of thing{at}.".encode()) for at in range(600)]
    with running(tmp_path) as bench:
        word_model(bench.app.paths.models, "slow", delay=0.2)
        bench.create("slow", model="slow")
        job = bench.library.upload("slow", files)
        bench.library.upload("slow", [("last.txt", b"The last text.")])
        until(lambda: job.finished >= 100)
    with running(tmp_path) as bench:
        for job in bench.library.jobs.of("slow"):
            assert ended(job).failures == []
        assert len(bench.titles("slow")) == 601
        assert bench.search("last", "slow", mode="bm25")[0].title == "last.txt"
        assert consistent(bench, "slow")


def test_a_file_that_waits_is_kept_while_another_document_is_removed(bench: Bench) -> None:
    ended(bench.library.upload("notes", [("old.txt", b"Wolves hunt in packs.")]))
    old = bench.search("wolves")[0].document
    with busy(bench):
        job = bench.library.upload("notes", [("new.txt", b"Bats hang.")])
        bench.library.remove("notes", old)
    assert ended(job).failures == []
    assert [hit.title for hit in bench.search("bats", mode="bm25")] == ["new.txt"]


def test_a_job_that_waits_is_cancelled_at_once(bench: Bench) -> None:
    with busy(bench):
        job = bench.library.upload("notes", [("a.txt", b"Wolves hunt in packs.")])
        after = bench.library.upload("notes", [("b.txt", b"Bats hang.")])
        job.cancel()
        assert job.wait(5)
        assert (job.state, after.state) == ("cancelled", "waiting")
        assert bench.titles() == ["upload:b.txt"]
    assert ended(after).result["added"] == 1


@pytest.mark.parametrize("moment", [0.0, 100.0])
def test_a_process_killed_in_mid_index_leaves_a_collection_that_is_finished_later(
    tmp_path: Path, moment: float
) -> None:
    home, folder = tmp_path / "home", tmp_path / "many"
    folder.mkdir()
    for number in range(240):
        (folder / f"{number:03}.txt").write_text(f"Text number {number} tells of thing{number}.")
    with running(home) as bench:
        word_model(bench.app.paths.models, "slow", delay=0.08)
        bench.create("slow", model="slow")
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(path=sys.path), str(home), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if float(line) > moment:
            break
    os.kill(child.pid, signal.SIGKILL)
    child.wait(30)
    child.stdout.close()
    with running(home) as bench:
        until(lambda: all(job.over for job in bench.library.jobs.of()))
        assert consistent(bench, "slow")
        assert bench.add(folder, "slow").state == "done"
        assert len(bench.titles("slow")) == 240
        assert consistent(bench, "slow")
        best = bench.search("thing239", "slow")[:2]  # by words the first, by its vector perhaps not
        assert "239.txt" in [hit.title for hit in best]


def test_orphaned_and_lost_vectors_are_set_right_when_it_is_opened(
    tmp_path: Path, folder: Path
) -> None:
    with running(tmp_path / "home") as bench:
        bench.create()
        bench.add(folder)
        library = bench.library
        collection = library.catalogue.collection("notes")
        keys = list(library.passages.keys(collection))
        library.catalogue.mark(collection, writing=True)
        vector = library.vectors.get(collection.id, keys[:1])[keys[0]]
        library.vectors.add(collection.id, [(999, 1, 0)], vector.reshape(1, -1))
        library.vectors.remove(collection.id, keys[-1:])
        assert not consistent(bench)
    with running(tmp_path / "home") as bench:
        until(lambda: all(job.over for job in bench.library.jobs.of()))
        assert consistent(bench)
        assert len(bench.titles()) == 3


def test_a_model_that_is_not_the_one_of_the_collection_is_refused(
    tmp_path: Path, folder: Path
) -> None:
    home = tmp_path / "home"
    with running(home) as bench:
        bench.create()
        bench.add(folder)
    word_model(home / "models", "small", seed=7)
    with running(home) as bench, pytest.raises(InvalidRequest, match="another vector"):
        bench.search("bread")
    word_model(home / "models", "small", dimensions=32)
    with running(home) as bench, pytest.raises(InvalidRequest, match="32 numbers"):
        bench.search("bread")
    (home / "models" / "small.words").unlink()
    with running(home) as bench:
        with pytest.raises(InvalidRequest, match="is not here any more"):
            bench.search("bread")
        assert bench.search("harbour", mode="bm25")[0].title == "boats.txt"
        job = bench.add(folder / "bees.md")
        assert (job.state, "not here any more" in job.error) == ("failed", True)


def test_a_second_process_is_refused_while_one_has_the_collections(
    bench: Bench, tmp_path: Path
) -> None:
    program = CHILD.format(path=sys.path)
    found = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "home"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert InUse.__name__ in found.stderr


def test_names_models_and_sizes_that_cannot_be_are_refused(bench: Bench) -> None:
    for name in ("a/b", "search", " x"):
        with pytest.raises(InvalidRequest, match="no name for a collection"):
            bench.create(name)
    with pytest.raises(InvalidRequest, match="already"):
        bench.create("notes")
    with pytest.raises(InvalidRequest, match="cannot make embeddings"):
        bench.create("other", model="fake-model")
    with pytest.raises(InvalidRequest, match="by half at most"):
        bench.library.create("other", "small", chunk_tokens=40, overlap=30)
    with pytest.raises(NotFound, match="no collection 'none'"):
        bench.search("x", "none")
    with pytest.raises(JackfieldError, match="no file or folder"):
        bench.add(Path("/nowhere"))


def test_a_deleted_collection_is_gone_with_its_copies(bench: Bench) -> None:
    ended(bench.library.upload("notes", [("b.txt", b"Wolves hunt in packs.")]))
    assert list((bench.library.folder / "files").rglob("content.txt"))
    bench.library.delete("notes")
    assert bench.library.catalogue.collections() == []
    assert not list((bench.library.folder / "files").rglob("content.txt"))
    bench.create("notes")
    assert bench.search("wolves") == []


def test_chunks_can_be_cut_anew(bench: Bench, folder: Path) -> None:
    bench.add(folder)
    collection = bench.library.catalogue.collection("notes")
    before = collection.chunks
    bench.library.catalogue.change(collection, chunk_tokens=16, overlap=0)
    ended(bench.library.again("notes"))
    assert bench.library.catalogue.collection("notes").chunks > before
    assert consistent(bench)
    assert time.time() - collection.created < 600
