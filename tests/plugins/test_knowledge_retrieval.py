"""Finding: each way of searching, filters, thresholds, reranking, and measuring them."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from jackfield import InvalidRequest, Section
from jackfield.documents import Document
from jackfield_plugins.knowledge.catalogue import Catalogue, Version
from jackfield_plugins.knowledge.chunking import Chunker, _headings
from jackfield_plugins.knowledge.database import Database
from jackfield_plugins.knowledge.desk import Desk
from jackfield_plugins.knowledge.embedder import Embedder
from jackfield_plugins.knowledge.measuring import parsed, read_questions
from jackfield_plugins.knowledge.passages import Passages
from jackfield_plugins.knowledge.reading import Reading
from jackfield_plugins.knowledge.records import Asked, Chunk, Filters, Hit, Source
from jackfield_plugins.knowledge.retrieval import fused_scores, merged
from jackfield_plugins.knowledge.vectors import Vectors
from knowledge_bench import Bench, ended, running, until, write_texts
from word_embedder import word_model


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Collections that no test of this module changes."""
    folder = tmp_path_factory.mktemp("retrieval")
    with running(folder / "home") as made:
        made.create()
        texts = write_texts(folder / "texts")
        (texts / "guide.txt").write_text("The harbour guide: vessels need papers, papers, papers.")
        made.add(texts)
        made.create("other")
        ended(made.library.text("other", "Milk", "Milk keeps for a week in the harbour fridge."))
        yield made


def test_each_way_gives_its_own_scores(bench: Bench) -> None:
    (near,) = bench.search("vessel papers at dawn", mode="vectors", k=1)
    assert near.cosine is not None and near.bm25 is None and near.score == near.cosine
    (worded,) = bench.search("vessel papers at dawn", mode="bm25", k=1)
    assert worded.bm25 is not None and worded.cosine is None and worded.score == worded.bm25
    (both,) = bench.search("vessel papers at dawn", mode="fused", k=1)
    assert both.fused is not None and both.score == pytest.approx(2 / 61)
    assert near.key == worded.key == both.key


def test_fusion_adds_the_reciprocals_of_ranks() -> None:
    a, b, c = (1, 1, 0), (2, 1, 0), (3, 1, 0)
    assert fused_scores([[a, b], [b, c]]) == {
        a: 1 / 61,
        b: 1 / 62 + 1 / 61,
        c: 1 / 62,
    }


def test_words_are_found_in_other_forms_and_signs_do_no_harm(bench: Bench) -> None:
    assert bench.search("kneading doughs", mode="bm25")[0].title == "bread.md"
    assert bench.search('"AND" OR (NEAR* harbour -x', mode="bm25")
    assert bench.search("?!", mode="bm25") == []


def test_a_reranker_sorts_what_was_found_and_gives_its_scores(bench: Bench) -> None:
    hits = bench.search("papers vessel dawn master", reranker="small", k=2)
    assert hits[0].title == "boats.txt"
    assert [hit.rerank for hit in hits] == sorted((hit.rerank or 0 for hit in hits), reverse=True)
    assert hits[0].score == hits[0].rerank


def test_filters_leave_documents_out(bench: Bench) -> None:
    def titles(**filters: str) -> set[str]:
        return {hit.title for hit in bench.search("papers", filters=Filters(**filters))}

    assert titles(source="*.md") <= {"bread.md", "bees.md"}
    assert titles(title="guide") == {"guide.txt"}
    assert titles(kind="page") == set()


def test_what_is_too_little_alike_counts_as_nothing_found(bench: Bench) -> None:
    found = bench.library.search(["notes"], Asked(query="quantum chromodynamics", minimum=0.3))
    assert found.hits == ()
    assert found.below > 0
    assert found.closest is not None and found.closest < 0.3
    assert bench.search("vessel papers at dawn", minimum=0.3)


def test_a_passage_with_the_questions_rare_words_counts_however_little_alike(bench: Bench) -> None:
    asked = Asked(query="vessel papers at dawn", minimum=0.99)
    assert bench.library.search(["notes"], asked).hits[0].title == "boats.txt"
    unlike = msgspec.structs.replace(asked, mode="vectors")
    assert bench.library.search(["notes"], unlike).hits == ()
    others = Asked(query="What is the capital of the vessel of France?", minimum=0.99)
    assert bench.library.search(["notes"], others).hits == ()


def test_several_collections_are_searched_by_rank(bench: Bench) -> None:
    hits = bench.library.search(["notes", "other"], Asked(query="harbour", k=10)).hits
    assert {hit.collection for hit in hits[:2]} == {"notes", "other"}
    one = Hit(collection="a", document=1, title="", source="", kind="", chunk=_chunk(), score=9.0)
    two = Hit(collection="b", document=1, title="", source="", kind="", chunk=_chunk(), score=0.1)
    assert [hit.score for hit in merged([[one], [two]])] == [1 / 61, 1 / 61]


def test_a_question_longer_than_the_model_reads_is_cut_to_fit(bench: Bench) -> None:
    assert bench.search("vessel papers at dawn " * 100)[0].title in ("boats.txt", "guide.txt")


def test_chunks_are_looked_up_quickly_among_many(tmp_path: Path) -> None:
    database = Database(tmp_path / "many.db")
    catalogue, passages = Catalogue(database), Passages(database)
    made = catalogue.create("many", "m", 1, b"0000", chunk_tokens=40, overlap=0)
    source = Source(kind="text", uri="text:many", name="many")
    catalogue.begin(made, [source])
    document = catalogue.at(made, source.uri)
    assert document is not None
    chunks = [Chunk(number=at, heading="", text=f"thing {at}") for at in range(20_000)]
    reading = Reading(Document(title="many", sections=()), "", 0.0, 0)
    new = Version(document=document, source=source, reading=reading, chunks=chunks)
    catalogue.switch(made, [new])
    begun = time.perf_counter()
    found = passages.hits(made, [new.key(one) for one in chunks[::200]])
    assert len(found) == 100
    assert time.perf_counter() - begun < 0.5  # it was 2 s when each chunk was looked at


def test_an_empty_question_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidRequest, match="no question"):
        bench.search("  ")


def test_pages_and_headings_come_with_each_chunk(bench: Bench) -> None:
    chunker = Chunker(Embedder(bench.app, "small"), 12, 0)
    document = Document(
        title="Report",
        sections=(
            Section(text="# One\n\nfirst words here\n\n## Two\n\nsecond words here", page=1),
            Section(text="```\n# no heading\n```\n\nthird words", page=2, heading="Appendix"),
        ),
    )
    found = [(one.heading, one.page) for one in chunker.chunks(document)]
    assert found[0] == ("Report › One", 1)
    assert ("Report › One › Two", 1) in found
    assert found[-1] == ("Report › Appendix", 2)
    starts = [one.start for one in chunker.chunks(document)]
    assert all(
        document.text[one.start :].startswith(one.text) for one in chunker.chunks(document)
    ), starts


def test_a_chunk_of_several_sections_stands_under_what_they_share(bench: Bench) -> None:
    text = "# Book\n\n## One\n\nfirst words\n\n## Two\n\nsecond words"
    chunker = Chunker(Embedder(bench.app, "small"), 40, 0)
    (chunk,) = chunker.chunks(Document(title="b.md", sections=(Section(text=text),)))
    assert chunk.heading == "b.md › Book"


def test_source_code_is_cut_as_it_is(bench: Bench) -> None:
    chunker = Chunker(Embedder(bench.app, "small"), 16, 0)
    code = "\n".join(f"def f{number}(x):\n    return x + {number}" for number in range(20))
    document = Document(title="f.py", sections=(Section(text=code),), language="python")
    chunks = chunker.chunks(document)
    assert len(chunks) > 2
    assert all(one.heading == "f.py" for one in chunks)
    assert "# " not in chunks[0].heading


def test_questions_are_measured_each_way_side_by_side(bench: Bench) -> None:
    desk = Desk(bench.plugin)
    desk.set_questions(
        "notes",
        [
            {"question": "vessel papers at dawn", "document": "boats.txt", "snippet": ""},
            {"question": "eggs of a queen", "document": "", "snippet": "two  THOUSAND eggs"},
            {"question": "baking a loaf", "document": "*/bread.md", "snippet": "forty minutes"},
            {"question": "kneading", "document": "nowhere.md", "snippet": ""},
        ],
    )
    job = bench.library.jobs.get(desk.measure("notes", "small")["id"])
    result = ended(job).result
    rows = {row["setting"]: row for row in result["rows"]}
    assert list(rows) == ["vectors", "bm25", "fused", "reranked"]
    assert rows["fused"]["recall@10"] == 0.75
    assert rows["bm25"]["recall@1"] == 0.75
    assert 0 < rows["fused"]["MRR"] <= 0.75
    assert 0 < rows["fused"]["nDCG@10"] <= 0.75


def test_measuring_without_questions_says_what_to_do(bench: Bench) -> None:
    job = bench.library.jobs.get(Desk(bench.plugin).measure("other")["id"])
    assert "has no questions" in ended(job).error


def test_questions_are_made_by_a_model_and_no_chat_is_kept(tmp_path: Path) -> None:
    with running(tmp_path / "home") as bench:
        bench.create(tokens=60)
        ended(bench.library.text("notes", "Sheep", "Sheep eat grass on the hill. " * 10))
        desk = Desk(bench.plugin)
        job = bench.library.jobs.get(desk.make_questions("notes", "fake-model", 3)["id"])
        assert ended(job).error == ""
        assert desk.questions("notes")[0]["question"].startswith("Write one question")
        assert bench.app.conversations.list() == []
        job = bench.library.jobs.get(desk.make_questions("notes", "none-such", 3)["id"])
        assert "none-such" in ended(job).error


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[{", "cannot be read"),
        ("question\nwhat?", "needs a text, and a document or a snippet"),
        ('[{"question": "", "document": "x"}]', "needs a text"),
        ("a,b\n1,2", "cannot be read"),
    ],
)
def test_questions_that_cannot_be_used_are_refused(text: str, wrong: str) -> None:
    with pytest.raises(InvalidRequest, match=wrong):
        parsed(text)


def test_questions_are_read_from_csv_and_json() -> None:
    (one,) = parsed("question,document,snippet\nWhat is it?,*.pdf,\n")
    assert (one.question, one.document) == ("What is it?", "*.pdf")
    (two,) = parsed('[{"question": "What is it?", "snippet": "a thing"}]')
    assert two.snippet == "a thing"


def test_the_model_of_a_collection_is_loaded_only_when_asked(tmp_path: Path) -> None:
    with running(tmp_path / "home") as bench:
        word_model(bench.app.paths.models, "second")
        bench.create(model="second")
        bench.app.portal.call(bench.app.engine.unload, "second")
        bench.search("anything", mode="bm25")
        assert bench.app.engine.resident("second") is None
        ended(bench.library.text("notes", "One", "Anything at all."))
        until(lambda: bench.search("anything")[0].title == "One")


def _chunk() -> Chunk:
    return Chunk(number=0, heading="", text="x")


def test_very_many_documents_and_keys_can_be_asked_for(tmp_path: Path) -> None:
    vectors = Vectors(tmp_path)
    vectors.create(1)
    rows = np.eye(3, dtype=np.float32)
    vectors.add(1, [(1, 1, 0), (1, 1, 1), (39_999, 1, 0)], rows)
    assert len(vectors.get(1, [(1, 1, number) for number in range(40_000)])) == 2
    near = vectors.nearest(1, rows[2] + 0.1 * rows[1], 2, list(range(1, 40_000)))
    assert list(near) == [(39_999, 1, 0), (1, 1, 1)]
    assert vectors.nearest(1, rows[0], 2, []) == {}
    vectors.close()


def test_headings_are_told_from_other_lines_and_strange_ones_take_no_time() -> None:
    text = "#\n\nwords\n\n# One C# ##\n\n## [Two](x) #\n"
    assert [title for _, title in _headings(text)] == ["One C#", "One C# › Two"]
    begun = time.perf_counter()
    for strange in ("# a" + " " * 30_000 + "b", "# " + "[" * 30_000):
        assert len(list(_headings(strange))) == 1
    assert time.perf_counter() - begun < 1


def test_questions_that_a_spreadsheet_saved_are_read(tmp_path: Path) -> None:
    path = tmp_path / "questions.csv"
    path.write_text("question,document,snippet\nWhy?,a.md,\n", encoding="utf-8-sig")
    assert read_questions(path)[0].question == "Why?"
