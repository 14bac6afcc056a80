"""Embeddings and rankings by a model, loaded if it is not: what API and command line share."""

from __future__ import annotations

from collections.abc import Sequence

from jackfield.catalog.catalog import Catalog
from jackfield.engine import Engine
from jackfield.errors import InvalidRequest, JackfieldError
from jackfield.resident import Resident
from jackfield.vectors import Embeddings, Ranking

MOST_TEXTS = 2048
"""Texts or documents in one request."""

VERBS = {"embedding": "make embeddings", "rerank": "rank documents"}


class Embedding:
    """Asks models for embeddings and rankings."""

    def __init__(self, engine: Engine, catalog: Catalog) -> None:
        self._engine = engine
        self._catalog = catalog

    async def embed(
        self, model: str, texts: Sequence[str | Sequence[int]], *, dimensions: int = 0
    ) -> Embeddings:
        """A vector for each text, which may be given as token ids of the model's own.

        Raises:
            InvalidRequest: no text, an empty one, too many or too long ones, more dimensions than
                there are, or a model that makes no embeddings.
            JackfieldError: the model could not be loaded.
        """
        _check(texts, "input", "text")
        self._refuse_early(model, "embedding")
        async with self._engine.use(model) as resident:
            self._refuse(resident, "embedding")
            plain = [
                text if isinstance(text, str) else await resident.detokenize(list(text))
                for text in texts
            ]
            return await resident.embed(plain, dimensions=dimensions)

    async def rerank(self, model: str, query: str, documents: Sequence[str]) -> Ranking:
        """How well each document answers the query.

        Raises:
            InvalidRequest: an empty query, no document, too many or too long ones, or a model
                that does not rank.
            JackfieldError: the model could not be loaded.
        """
        if not query.strip():
            raise InvalidRequest("The query is empty.", param="query")
        _check(documents, "documents", "document")
        self._refuse_early(model, "rerank")
        async with self._engine.use(model) as resident:
            self._refuse(resident, "rerank")
            return await resident.rerank(query, documents)

    def able(self, ability: str) -> list[str]:
        """Names of models that can do something, as far as is known without loading them."""
        found = []
        for entry in self._catalog.scan():
            resident = self._engine.resident(entry.name)
            if resident is not None and resident.info is not None:
                known = resident.info.capabilities
            else:
                known = self._before_loading(entry.name)
            if not entry.error and ability in known:
                found.append(entry.name)
        return found

    def _before_loading(self, model: str) -> frozenset[str]:
        """What its files say that a model can do; empty if they do not."""
        try:
            return self._engine.choose_loader(self._catalog.find(model))[1].capabilities
        except JackfieldError:
            return frozenset()  # loading it says what is wrong

    def _refuse_early(self, model: str, ability: str) -> None:
        """Refuse, without loading it, a model that is known to be for something else."""
        if self._engine.resident(model) is None:
            known = self._before_loading(model)
            if known and ability not in known:
                raise self._unable(model, known, ability)

    def _refuse(self, resident: Resident, ability: str) -> None:
        known = resident.info.capabilities if resident.info is not None else frozenset()
        if ability not in known:
            raise self._unable(resident.model, known, ability)

    def _unable(self, model: str, known: frozenset[str], ability: str) -> InvalidRequest:
        able = self.able(ability)
        can = ", ".join(sorted(known)) or "nothing"
        return InvalidRequest(
            f"The model {model!r} cannot {VERBS[ability]}; it can do: {can}.",
            hint=f"One that can: {able[0]!r}." if able else "No model here can; fetch one.",
            param="model",
            able=able,
        )


def _check(texts: Sequence[str | Sequence[int]], param: str, what: str) -> None:
    if not texts:
        raise InvalidRequest(f"There is no {what}: {param!r} is empty.", param=param)
    if len(texts) > MOST_TEXTS:
        raise InvalidRequest(
            f"{len(texts):,} {what}s were sent; at most {MOST_TEXTS:,} are taken at once.",
            hint="Send them in several requests.",
            param=param,
            count=len(texts),
            limit=MOST_TEXTS,
        )
    for place, text in enumerate(texts):
        if not text:
            raise InvalidRequest(f"The {what} {place} is empty.", param=param, index=place)
