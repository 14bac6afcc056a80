"""Collections on real weights: MiniLM as a folder and as GGUF, and a cross-encoder that reranks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import parts
from jackfield.application import Application
from jackfield.paths import Paths
from jackfield_loaders.gguf import Gguf
from jackfield_loaders.sentence_transformers import SentenceTransformers
from jackfield_plugins.knowledge import Knowledge
from jackfield_plugins.knowledge.embedder import Embedder
from jackfield_plugins.knowledge.records import Asked
from knowledge_bench import Bench, ended

FACTS = {
    "Paris": "The capital of France lies on the Seine and has two million inhabitants.",
    "Yeast": "Dough rises because tiny fungi turn sugar into gas.",
    "Saw": "Planks are cut to length with a toothed blade.",
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    app = Application(Paths(tmp_path_factory.mktemp("knowledge") / "home"), entry_points=[])
    app.paths.make()
    (app.paths.models / "folder").symlink_to(parts.minilm())
    (app.paths.models / "file.gguf").symlink_to(parts.minilm_gguf())
    (app.paths.models / "reranker").symlink_to(parts.cross_encoder())
    app.plugins.register("gguf", Gguf)
    app.plugins.register("sentence_transformers", SentenceTransformers)
    app.plugins.register("knowledge", Knowledge)
    with app.in_thread():
        yield Bench(app)


@pytest.mark.parametrize("model", ["folder", "file"])
def test_questions_find_passages_that_say_it_in_other_words(bench: Bench, model: str) -> None:
    bench.create(model, model=model)
    for title, text in FACTS.items():
        ended(bench.library.text(model, title, text))
    for question, title in (
        ("Which city is the seat of the French government?", "Paris"),
        ("What makes bread light?", "Yeast"),
        ("How do I shorten a board?", "Saw"),
    ):
        (best,) = bench.search(question, model, mode="vectors", k=1)
        assert best.title == title
        assert best.cosine is not None and best.cosine > 0.2
    assert bench.library.catalogue.collection(model).dimensions == 384


@pytest.mark.parametrize("model", ["folder", "file"])
def test_long_texts_are_cut_within_what_the_model_reads(bench: Bench, model: str) -> None:
    name = f"long {model}"
    bench.create(name, model=model, tokens=4000)
    text = (
        "# Überschrift\n\n" + "Donaudampfschifffahrtsgesellschaft, 漢字かな混じり文 & more. " * 60
    )
    job = ended(bench.library.text(name, "Long", text))
    assert job.error == "" and job.failures == []
    collection = bench.library.catalogue.collection(name)
    (document,) = bench.library.catalogue.documents(collection)
    chunks = bench.library.passages.chunks(document)
    limit = Embedder(bench.app, model).limit
    assert len(chunks) > 1
    assert max(one.tokens for one in chunks) <= limit


def test_a_cross_encoder_sorts_what_was_found(bench: Bench) -> None:
    bench.create("ranked", model="folder")
    for title, text in FACTS.items():
        ended(bench.library.text("ranked", title, text))
    asked = Asked(query="What is the capital of France?", reranker="reranker", k=3)
    hits = bench.library.search(["ranked"], asked).hits
    assert hits[0].title == "Paris"
    assert all(hit.rerank is not None for hit in hits)


def test_one_model_in_two_formats_counts_as_the_same(bench: Bench, tmp_path: Path) -> None:
    """The probe's vectors of the folder and of the GGUF file are nearly the same."""
    bench.create("probe", model="folder")
    collection = bench.library.catalogue.collection("probe")
    Embedder(bench.app, "file").check(collection, bench.library.catalogue.probe(collection))
