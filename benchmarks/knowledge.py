"""Collections: indexing and asking over bare Sentence Transformers and Chroma, and what is found.

The bare side is one process that does by hand what indexing does: embed the same chunks in batches
and add them to Chroma; and to ask: embed the question and query Chroma.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers import missing
from benchmarks.raw_process import RawProcess
from benchmarks.result import Result, ratio, spread
from benchmarks.setting import Setting
from jackfield.application import Application
from jackfield.paths import Paths
from jackfield_loaders.sentence_transformers import SentenceTransformers
from jackfield_plugins.knowledge import Knowledge
from jackfield_plugins.knowledge.jobs import Job
from jackfield_plugins.knowledge.library import Library
from jackfield_plugins.knowledge.measuring import Measured, measure, read_questions
from jackfield_plugins.knowledge.records import Asked

NEEDED = ("sentence_transformers", "chromadb", "semantic_text_splitter", "ir_measures")
DOCUMENTS = 72
WORDS = 400
QUESTIONS = (
    "How is the boiler switched off when the pressure rises?",
    "Which valve belongs to the second pump?",
    "When must the filter be changed?",
    "Who signs the protocol of the last inspection?",
    "What is done if the alarm does not stop?",
)
PAUSE = 0.05
"""Seconds between two questions: OpenMP's threads of the one before wait busily for a moment."""
MANY = 50_000
QUESTIONS_FILE = Path(__file__).with_name("knowledge_questions.json")
PYTHON_DOCS = Path("/usr/share/doc/python3/html/library")
SIZES = range(1_500, 40_000)
"""Characters of the pages of Python's documentation that are taken: no lists of links, no books."""


def run(setting: Setting) -> list[Result]:
    """Indexing, asking, asking among many chunks, and the table of what is found."""
    if lacking := missing(NEEDED):
        print(f"  left out: {', '.join(lacking)} not installed")
        return []
    given = (str(setting.embedder), setting.device, str(setting.threads))
    with (
        opened(setting) as library,
        RawProcess("benchmarks.raw_chroma", setting, *given) as bare,
    ):
        results = [*_indexing(setting, library, bare), *_asking(setting, library, bare)]
        results += _many(setting, library, bare)
        return [*results, *_found(library)]


@contextmanager
def opened(setting: Setting) -> Iterator[Library]:
    """Collections in a temporary folder, the embedding model loaded with the setting's threads."""
    with tempfile.TemporaryDirectory(prefix="jackfield-benchmark-") as folder:
        app = Application(Paths(Path(folder)), entry_points=[])
        app.paths.make()
        (app.paths.models / "embedder").symlink_to(setting.embedder)
        app.plugins.register("sentence_transformers", SentenceTransformers)
        app.plugins.register("knowledge", Knowledge)
        with app.in_thread():
            options = {"device": setting.device, "n_threads": setting.threads}

            async def load() -> None:
                await app.engine.load("embedder", options=options)

            app.portal.call(load)
            knowledge = app.plugins.plugin("knowledge")
            assert isinstance(knowledge, Knowledge)
            yield knowledge.library()


def _indexing(setting: Setting, library: Library, bare: RawProcess) -> list[Result]:
    ours: list[float] = []
    theirs: list[float] = []
    for number in setting.paced():
        folder = Path(tempfile.mkdtemp(dir=library.folder))
        for place in range(DOCUMENTS):
            (folder / f"{place}.txt").write_text(_text(number * DOCUMENTS + place), "utf-8")
        library.create("speed", "embedder", chunk_tokens=128, overlap=0)
        begun = time.perf_counter()
        job = library.path("speed", folder, watch=False)
        job.wait()
        seconds = time.perf_counter() - begun
        if job.state != "done":
            raise RuntimeError(f"indexing: {job.error}")
        texts = _texts(library, "speed")
        ours.append(len(texts) / seconds)
        theirs.append(len(texts) / bare.ask(add=texts)["seconds"])
        library.delete("speed")
        shutil.rmtree(folder)
    return [
        Result(
            "Chunks indexed per second (reading, cutting, embedding, storing), over bare `encode` "
            "and Chroma of the same chunks",
            ratio(ours, theirs),
            "",
            0.9,
            "at least",
            f"{spread(ours, 'chunks/s')} over {spread(theirs, 'chunks/s')}",
        )
    ]


def _asking(setting: Setting, library: Library, bare: RawProcess) -> list[Result]:
    library.create("asked", "embedder", chunk_tokens=128, overlap=0)
    for place in range(DOCUMENTS):
        library.text("asked", str(place), _text(place)).wait()
    bare.ask(add=_texts(library, "asked"))
    library.search(["asked"], Asked(query="warm up"))
    results = []
    for mode, budget in (("vectors", 1.2), ("fused", None)):
        ours, theirs = _questions(setting, library, bare, "asked", mode)
        results.append(
            Result(
                f"Time of a question by {mode}, over bare `encode` and Chroma",
                ratio(ours, theirs),
                "",
                budget,
                "at most",
                f"{spread(ours, 'ms')} over {spread(theirs, 'ms')}",
            )
        )
    library.delete("asked")
    return results


def _many(setting: Setting, library: Library, bare: RawProcess) -> list[Result]:
    """A question among many chunks: their vectors are random, their words are not."""
    import numpy as np

    fill(library, "many", MANY)
    chance = np.random.default_rng(0)
    width = library.catalogue.collection("many").dimensions
    bare.ask(random=MANY, width=width, seed=int(chance.integers(1000)))
    library.search(["many"], Asked(query="warm up"))
    results = []
    for mode in ("vectors", "fused"):
        ours, theirs = _questions(setting, library, bare, "many", mode)
        more = [mine - other for mine, other in zip(ours, theirs, strict=True)]
        results.append(
            Result(
                f"Time that a question by {mode} among {MANY:,} chunks takes more than bare "
                "`encode` and Chroma",
                statistics.median(more),
                "ms",
                100,
                "at most",
                f"{spread(ours, 'ms')} against {spread(theirs, 'ms')}",
            )
        )
    library.delete("many")
    return results


def fill(library: Library, name: str, count: int) -> None:
    """A collection of so many chunks, with random vectors."""
    import numpy as np

    from jackfield import Document
    from jackfield_plugins.knowledge.catalogue import Version
    from jackfield_plugins.knowledge.reading import Reading
    from jackfield_plugins.knowledge.records import Chunk, Source

    made = library.create(name, "embedder", chunk_tokens=128, overlap=0)
    chance = np.random.default_rng(0)
    for at in range(0, count, 1_000):
        source = Source(kind="text", uri=f"text:{at}", name=str(at))
        library.catalogue.begin(made, [source])
        document = library.catalogue.at(made, source.uri)
        assert document is not None
        chunks = [
            Chunk(number=place, heading=f"Document {at}", text=_text(at + place, 60), tokens=80)
            for place in range(1_000)
        ]
        reading = Reading(Document(title=str(at), sections=()), str(at), 0.0, 0)
        new = Version(document=document, source=source, reading=reading, chunks=chunks)
        rows = chance.normal(size=(1_000, made.dimensions)).astype(np.float32)
        library.vectors.add(made.id, [new.key(one) for one in chunks], rows)
        library.catalogue.switch(made, [new])


def _questions(
    setting: Setting, library: Library, bare: RawProcess, name: str, mode: Any
) -> tuple[list[float], list[float]]:
    """Milliseconds of questions that are asked in turn."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(4 * setting.rounds):
        query = f"{QUESTIONS[number % len(QUESTIONS)]} ({number})"

        def mine(query: str = query) -> None:
            begun = time.perf_counter()
            library.search([name], Asked(query=query, mode=mode, k=6))
            ours.append(1000 * (time.perf_counter() - begun))

        def other(query: str = query) -> None:
            theirs.append(1000 * float(bare.ask(query=query, count=50)["seconds"]))

        for ask in (mine, other) if number % 2 else (other, mine):
            time.sleep(PAUSE)
            ask()
    return ours, theirs


def _found(library: Library) -> list[Result]:
    """How well questions find the pages of Python's documentation that answer them."""
    if not PYTHON_DOCS.is_dir() or missing(("trafilatura",)):
        print("  left out: Debian's python3-doc or trafilatura is not installed")
        return []
    table = retrieval(library)
    return [
        Result(
            f"Recall@5 by {one.setting}, {one.questions} questions on Python's documentation",
            one.recall[5],
            "",
            None,
            "at least",
            f"MRR {one.mrr:.3f}, nDCG@10 {one.ndcg:.3f}, {1000 * one.seconds:.0f} ms a question",
        )
        for one in table
    ]


def retrieval(library: Library) -> list[Measured]:
    """Each way of searching, measured on the pages of Python's documentation."""
    from benchmarks.__main__ import part

    (library.app.paths.models / "reranker").symlink_to(part("cross_encoder"))
    library.create("python", "embedder", chunk_tokens=200, overlap=20)
    folder = library.folder / "python-docs"
    folder.mkdir()
    for name, text in pages():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    job = library.path("python", folder, watch=False)
    job.wait()
    collection = library.catalogue.collection("python")
    print(f"  {collection.documents} pages, {collection.chunks} chunks: {job.result}", flush=True)
    if job.state != "done" or collection.documents < 200:
        raise RuntimeError(f"Python's documentation: {job.described()}")
    questions = [
        type(one)(question=one.question, document=f"{one.document}.md")
        for one in read_questions(QUESTIONS_FILE)
    ]
    work = Job("measure", "python", "Measure")
    return measure(library, collection, questions, work, reranker="reranker")


def pages() -> Iterator[tuple[str, str]]:
    """Names and texts of pages, of those that are neither very short nor very long."""
    import trafilatura

    for path in sorted(PYTHON_DOCS.glob("*.html")):
        html = path.read_text(encoding="utf-8")
        text = trafilatura.extract(html, output_format="markdown", include_tables=True) or ""
        if len(text) in SIZES:
            yield path.name, text


def _texts(library: Library, name: str) -> list[str]:
    """What was embedded of a collection."""
    catalogue = library.catalogue
    documents = catalogue.documents(catalogue.collection(name))
    return [chunk.embedded for document in documents for chunk in library.passages.chunks(document)]


def _text(number: int, words: int = WORDS) -> str:
    """A text that nobody has seen before."""
    parts: Sequence[str] = (
        "the boiler of hall {0} is switched off when the pressure rises above {1} bar",
        "valve {1} belongs to pump {0} and is checked each week",
        "filter {0} is changed after {1} hours, and noted in the protocol",
        "alarm {1} of line {0} is answered by the person on duty",
    )
    sentences = [
        parts[(number + place) % 4].format(number, number * 7 + place) + "."
        for place in range(1 + words // 13)
    ]
    return " ".join(sentence.capitalize() for sentence in sentences)


if __name__ == "__main__":
    print(json.dumps([name for name, _ in pages()]))
