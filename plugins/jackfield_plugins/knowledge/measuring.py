"""Measuring a collection: whether questions find the passages that answer them.

Recall, mean reciprocal rank and nDCG are computed by ir-measures.
"""

from __future__ import annotations

import csv
import io
import json
import random
import time
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield import InvalidRequest, JackfieldError, message
from jackfield_plugins.knowledge.jobs import Job
from jackfield_plugins.knowledge.records import MODES, Asked, Chunk, Collection, Hit, Mode

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield_plugins.knowledge.library import Library

DEEP = 50
"""Passages that are looked at for each question."""
CUTS = (1, 3, 5, 10)
LONG_ENOUGH = 120
"""Characters of a chunk that a question is made from."""
ASKING = (
    "Write one question in one sentence that the following text answers, so that somebody who "
    "has not seen the text understands it. Use other words than the text where you can. Write "
    "the question alone.\n\n{text}"
)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question of which it is known where the answer stands.

    Attributes:
        document: title, path or address of the document, or a pattern such as ``*/json.html``.
        snippet: words that stand in the passage; with both given, both have to fit.
    """

    question: str
    document: str = ""
    snippet: str = ""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """How well one way of searching did.

    Attributes:
        recall: by the number of passages looked at.
        seconds: for a question, the mean.
    """

    setting: str
    questions: int
    recall: dict[int, float]
    mrr: float
    ndcg: float
    seconds: float

    @property
    def row(self) -> dict[str, Any]:
        """As a table shows it."""
        return {
            "setting": self.setting,
            **{f"recall@{cut}": round(value, 3) for cut, value in self.recall.items()},
            "MRR": round(self.mrr, 3),
            "nDCG@10": round(self.ndcg, 3),
            "ms": round(1000 * self.seconds, 1),
        }


def parsed(text: str) -> list[Question]:
    """Questions from JSON (a list of objects) or CSV (with a line of heads).

    Raises:
        InvalidRequest: they cannot be read, or one says nothing of where its answer is.
    """
    try:
        if text.lstrip().startswith("["):
            rows = json.loads(text)
        else:
            rows = list(csv.DictReader(io.StringIO(text)))
        found = [
            Question(
                question=str(row["question"]).strip(),
                document=str(row.get("document") or "").strip(),
                snippet=str(row.get("snippet") or "").strip(),
            )
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise InvalidRequest(
            f"These questions cannot be read: {type(error).__name__}: {error}.",
            hint='JSON: [{"question": ..., "document": ..., "snippet": ...}]; or CSV with '
            "the heads question,document,snippet.",
            param="questions",
        ) from error
    for place, one in enumerate(found, start=1):
        if not one.question or not (one.document or one.snippet):
            raise InvalidRequest(
                f"Question {place} needs a text, and a document or a snippet that answers it.",
                param="questions",
            )
    return found


def measure(
    library: Library,
    collection: Collection,
    questions: Sequence[Question],
    job: Job,
    *,
    reranker: str = "",
) -> list[Measured]:
    """Ask each question in each way.

    Raises:
        InvalidRequest: there is no question.
        JackfieldError: ir-measures is not installed, or a model failed.
    """
    if not questions:
        raise InvalidRequest(
            f"The collection {collection.name!r} has no questions to measure with.",
            hint="Import your own, or have some made from the documents.",
        )
    settings: list[tuple[str, Mode, str]] = [(mode, mode, "") for mode in MODES]
    if reranker:
        settings.append(("reranked", "fused", reranker))
    job.total = len(settings) * len(questions)
    measured: list[Measured] = []
    for name, mode, model in settings:
        runs: dict[str, list[str]] = {}
        begun = time.perf_counter()
        for place, one in enumerate(questions):
            job.check()
            job.current = f"{name}: {one.question}"
            asked = Asked(query=one.question, mode=mode, k=DEEP, reranker=model)
            hits = library.search([collection.name], asked).hits
            runs[str(place)] = ranked(one, hits)
            job.finished += 1
        seconds = (time.perf_counter() - begun) / len(questions)
        measured.append(_scored(name, runs, seconds))
    return measured


def ranked(question: Question, hits: Iterable[Hit]) -> list[str]:
    """What was found as a list without doubles, in which the place looked for is ``right``.

    Where a document is looked for, the list is one of documents; otherwise one of chunks. The
    expected place counts once, also where neighbouring chunks share the snippet.
    """
    names: dict[str, None] = {}
    for hit in hits:
        if fits(question, hit):
            names["right"] = None
        elif question.snippet:
            names[f"{hit.document}-{hit.chunk.number}"] = None
        else:
            names[str(hit.document)] = None
    return list(names)


def fits(question: Question, hit: Hit) -> bool:
    """Whether a passage is where the answer is expected."""
    if question.document:
        known = (hit.title, hit.source, hit.source.rpartition("/")[2])
        if not any(name == question.document or fnmatch(name, question.document) for name in known):
            return False
    return " ".join(question.snippet.lower().split()) in " ".join(hit.chunk.text.lower().split())


def make_questions(
    library: Library, collection: Collection, model: str, count: int, job: Job, *, off: str
) -> list[Question]:
    """Questions that a model that writes makes from chunks chosen at random.

    Args:
        off: the plugin that is left out of the turns, which would look the answers up.

    Raises:
        InvalidRequest: no chunk is long enough.
        JackfieldError: the model failed.
    """
    chosen: list[tuple[str, Chunk]] = []
    for document in library.catalogue.documents(collection):
        chosen += [
            (document.title, chunk)
            for chunk in library.passages.chunks(document)
            if len(chunk.text) >= LONG_ENOUGH
        ]
    if not chosen:
        raise InvalidRequest(
            f"The collection {collection.name!r} has no passage that is long enough to ask about."
        )
    chosen = random.Random(0).sample(chosen, min(count, len(chosen)))
    job.total = len(chosen)
    made: list[Question] = []
    for title, chunk in chosen:
        job.check()
        job.current = title
        text = library.app.portal.call(_written, library.app, model, chunk, off)
        line = next((one.strip() for one in text.splitlines() if one.strip()), "")
        if line:
            snippet = " ".join(chunk.text.split())[:LONG_ENOUGH]
            made.append(Question(question=line, document=title, snippet=snippet))
        job.finished += 1
    return made


async def _written(app: Application, model: str, chunk: Chunk, off: str) -> str:
    """What the model answers; no chat is made of it."""
    asked = message("user", ASKING.format(text=chunk.embedded))
    return await app.pipeline.ask(model, [asked], off=(off,))


def _scored(setting: str, runs: dict[str, list[str]], seconds: float) -> Measured:
    try:
        import ir_measures
        from ir_measures import RR, R, nDCG
    except ImportError as error:
        raise JackfieldError(
            f"Searching cannot be measured: {error}.",
            hint="Install what is missing: pip install 'jackfield[knowledge]'",
        ) from error
    wanted = [*(R @ cut for cut in CUTS), RR, nDCG @ 10]
    right = {place: {"right": 1} for place in runs}
    scores = {
        place: {name: float(-rank) for rank, name in enumerate(names)} or {"nothing": 0.0}
        for place, names in runs.items()
    }
    found = ir_measures.calc_aggregate(wanted, right, scores)
    return Measured(
        setting=setting,
        questions=len(runs),
        recall={cut: float(found[R @ cut]) for cut in CUTS},
        mrr=float(found[RR]),
        ndcg=float(found[nDCG @ 10]),
        seconds=seconds,
    )


def markdown(measured: Sequence[Measured]) -> str:
    """A table for the terminal and for documents."""
    rows = [one.row for one in measured]
    heads = list(rows[0])
    lines = [heads, ["---"] * len(heads), *([str(row[head]) for head in heads] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read_questions(path: Path) -> list[Question]:
    """Questions of a file.

    Raises:
        InvalidRequest: it cannot be read.
    """
    try:
        return parsed(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The file {str(path)!r} cannot be read: {error}.") from error
