"""What API, command line and page ask for, in plain values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield import InvalidRequest
from jackfield_plugins.knowledge.jobs import Job
from jackfield_plugins.knowledge.measuring import Question, make_questions, measure
from jackfield_plugins.knowledge.records import Asked, Found, Hit

if TYPE_CHECKING:
    from jackfield_plugins.knowledge import Knowledge
    from jackfield_plugins.knowledge.library import Library


class Desk:
    """Answers from the collections in this process.

    :class:`jackfield_plugins.knowledge.remote.RemoteDesk` asks the running server the same.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    @property
    def library(self) -> Library:
        """The collections, opened when they are first asked for."""
        return self._knowledge.library()

    def collections(self) -> list[dict[str, Any]]:
        """All collections."""
        return [msgspec.to_builtins(one) for one in self.library.catalogue.collections()]

    def collection(self, name: str) -> dict[str, Any]:
        """One collection."""
        found: dict[str, Any] = msgspec.to_builtins(self.library.catalogue.collection(name))
        return found

    def create(
        self, name: str, model: str = "", chunk_tokens: int = 0, overlap: int | None = None
    ) -> dict[str, Any]:
        """Make a collection; what is not given is as the plugin's options say."""
        config = self._knowledge.config
        tokens = chunk_tokens or config.chunk_tokens
        made = self.library.create(
            name,
            model or config.embedding_model,
            chunk_tokens=tokens,
            overlap=min(config.overlap, tokens // 2) if overlap is None else overlap,
        )
        found: dict[str, Any] = msgspec.to_builtins(made)
        return found

    def change(self, name: str, chunk_tokens: int, overlap: int) -> dict[str, Any]:
        """Cut all documents anew in another way; returns the job."""
        library = self.library
        if overlap * 2 > chunk_tokens:
            raise InvalidRequest(
                f"Chunks of {chunk_tokens} tokens cannot overlap by {overlap}: by half at most.",
                param="overlap",
            )
        collection = library.catalogue.collection(name)
        library.catalogue.change(collection, chunk_tokens=chunk_tokens, overlap=overlap)
        return library.again(name).described()

    def delete(self, name: str) -> dict[str, Any]:
        """Remove a collection."""
        self.library.delete(name)
        return {"deleted": name}

    def documents(self, name: str) -> list[dict[str, Any]]:
        """Documents of a collection."""
        catalogue = self.library.catalogue
        found = catalogue.documents(catalogue.collection(name))
        return [msgspec.to_builtins(one) for one in found]

    def document(self, name: str, number: int) -> dict[str, Any]:
        """A document with its chunks."""
        document, chunks = self.library.preview(name, number)
        return {**msgspec.to_builtins(document), "passages": msgspec.to_builtins(chunks)}

    def add(
        self,
        name: str,
        *,
        path: str = "",
        watch: bool = True,
        url: str = "",
        text: str = "",
        title: str = "",
    ) -> dict[str, Any]:
        """Begin to add a file or folder, a web page, or a text; returns the job."""
        if sum(map(bool, (path, url, text))) != 1:
            raise InvalidRequest(
                "Exactly one of 'path', 'url' and 'text' says what to add.", param="path"
            )
        if path:
            return self.library.path(name, Path(path), watch=watch).described()
        if url:
            return self.library.page(name, url).described()
        return self.library.text(name, title, text).described()

    def remove(self, name: str, number: int) -> dict[str, Any]:
        """Remove a document."""
        self.library.remove(name, number)
        return {"removed": number}

    def search(self, names: list[str], **asked: Any) -> dict[str, Any]:
        """The best passages, see :class:`Asked`."""
        library = self.library
        chosen = names or [one.name for one in library.catalogue.collections()]
        found = library.search(chosen, msgspec.convert(asked, Asked))
        return described(found)

    def job(self, number: str) -> dict[str, Any]:
        """How far a job is."""
        return self.library.jobs.get(number).described()

    def cancel(self, number: str) -> dict[str, Any]:
        """Stop a job."""
        job = self.library.jobs.get(number)
        job.cancel()
        job.wait(5)
        return job.described()

    def questions(self, name: str) -> list[dict[str, str]]:
        """The questions that a collection is measured with."""
        catalogue = self.library.catalogue
        return [
            {"question": question, "document": document, "snippet": snippet}
            for question, document, snippet in catalogue.questions(catalogue.collection(name))
        ]

    def set_questions(self, name: str, questions: list[dict[str, str]]) -> dict[str, Any]:
        """Put questions in place of those that are there."""
        catalogue = self.library.catalogue
        made = msgspec.convert(questions, list[Question])
        catalogue.set_questions(
            catalogue.collection(name),
            [(one.question, one.document, one.snippet) for one in made],
        )
        return {"questions": len(made)}

    def make_questions(self, name: str, model: str, count: int) -> dict[str, Any]:
        """Begin to have questions made from the documents; returns the job."""
        library = self.library
        collection = library.catalogue.collection(name)

        def do(job: Job) -> dict[str, Any]:
            made = make_questions(
                library, collection, model, count, job, off=self._knowledge.context.name
            )
            return self.set_questions(name, [msgspec.to_builtins(one) for one in made])

        job = Job("questions", name, "Make questions")
        return library.jobs.start(job, do, writes=False).described()

    def measure(self, name: str, reranker: str = "") -> dict[str, Any]:
        """Begin to measure with the collection's questions; returns the job."""
        library = self.library
        collection = library.catalogue.collection(name)
        questions = msgspec.convert(self.questions(name), list[Question])

        def do(job: Job) -> dict[str, Any]:
            measured = measure(library, collection, questions, job, reranker=reranker)
            return {
                "questions": len(questions),
                "settings": [msgspec.to_builtins(one) for one in measured],
                "rows": [one.row for one in measured],
            }

        job = Job("measure", name, "Measure")
        return library.jobs.start(job, do, writes=False).described()


def described(found: Found) -> dict[str, Any]:
    """What a search found, with where each passage is shown."""
    return {
        **msgspec.to_builtins(found),
        "hits": [_described_hit(hit) for hit in found.hits],
    }


def _described_hit(hit: Hit) -> dict[str, Any]:
    return {**msgspec.to_builtins(hit), "label": hit.label, "uri": hit.uri}
