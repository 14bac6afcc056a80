"""What the plugin does in a turn: it searches, fits what it found into the budget, and tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield import Event, JackfieldError, Passage, TextEvent, ToolCallEvent
from jackfield_plugins.knowledge.citing import Citer
from jackfield_plugins.knowledge.records import Asked, Filters, Found, Hit, Mode, places

if TYPE_CHECKING:
    from jackfield.pipeline import Turn
    from jackfield_plugins.knowledge import Knowledge

CITE = (
    "Answer only what was asked, in full sentences, from the numbered passages above where they "
    "help; do not copy the passages. End each sentence that uses one with that passage's number in "
    "square brackets."
)


class Wanted(msgspec.Struct, frozen=True):
    """What a turn searches, and how.

    Raises:
        msgspec.ValidationError: from :meth:`of`, for options of the wrong type.
    """

    collections: tuple[str, ...] | None = None
    k: int | None = None
    mode: Mode | None = None
    reranker: str | None = None
    minimum: float | None = None
    budget_tokens: int | None = None
    filters: Filters = Filters()


async def look_up(knowledge: Knowledge, text: str, turn: Turn) -> list[Passage]:
    """The passages for a turn; what was found, used and dropped is put in its accounts."""
    name = knowledge.context.name
    try:
        wanted = msgspec.convert(turn.options.get(name, {}), Wanted)
    except msgspec.ValidationError as error:
        turn.tell(f"The knowledge was not searched: {error}.", "warning")
        return []
    default = knowledge.config.default_collections
    collections = list(default if wanted.collections is None else wanted.collections)
    if not collections or not text.strip():
        return []
    asked = _asked(knowledge, wanted, text)
    try:
        found: Found = await knowledge.in_thread(knowledge.search, collections, asked)
    except JackfieldError as error:
        turn.tell(f"The knowledge was not searched: {error}", "warning")
        return []
    listed = ", ".join(repr(one) for one in collections)
    if not found.hits:
        near = ""
        if found.below and found.closest is not None:
            near = f" The nearest passage is too far from the question ({found.closest:.2f})."
        turn.tell(f"Nothing about this was found in {listed}.{near}")
        turn.accounts[name] = [{"found": "nothing", "searched": listed}]
        return []
    budget = wanted.budget_tokens or knowledge.config.budget_tokens
    kept, rows = await _fitted(found.hits, budget, turn)
    turn.accounts[name] = rows
    if not kept:
        turn.tell(
            f"Passages were found in {listed}, but none fits into the budget of {budget} tokens.",
            "warning",
        )
    turn.extras[name] = {"sources": [hit.uri for hit in kept]}
    return [
        # by rank: scores of different ways of searching do not compare, and the order counts
        Passage(text=hit.chunk.text, title=hit.label, uri=hit.uri, score=1 / rank)
        for rank, hit in enumerate(kept, start=1)
    ]


def _asked(knowledge: Knowledge, wanted: Wanted, text: str) -> Asked:
    config = knowledge.config
    return msgspec.convert(
        {
            "query": text,
            "mode": wanted.mode or config.mode,
            "k": wanted.k or config.k,
            "reranker": config.reranker if wanted.reranker is None else wanted.reranker,
            "minimum": config.minimum if wanted.minimum is None else wanted.minimum,
            "filters": wanted.filters,
        },
        Asked,
    )


async def _fitted(
    hits: Sequence[Hit], budget: int, turn: Turn
) -> tuple[list[Hit], list[dict[str, Any]]]:
    """The hits that there is room for, the best first, and a row about each for the inspector."""
    kept: list[Hit] = []
    rows: list[dict[str, Any]] = []
    used = 0
    ranks = places(hits)
    for hit in hits:
        tokens = await turn.count(f"{hit.label}\n{hit.chunk.text}")
        fits = used + tokens <= budget
        if fits:
            used += tokens
            kept.append(hit)
        rows.append(
            {
                "rank": ranks[hit.key],
                "source": hit.label,
                "collection": hit.collection,
                "cosine": _rounded(hit.cosine, 3),
                "bm25": _rounded(hit.bm25, 2),
                "fused": _rounded(hit.fused, 4),
                "rerank": _rounded(hit.rerank, 3),
                "tokens": tokens,
                "used": "yes" if fits else f"no: over the budget of {budget} tokens",
            }
        )
    return kept, rows


def _rounded(score: float | None, digits: int) -> float | None:
    return None if score is None else round(score, digits)


async def cited(
    events: AsyncIterator[Event], passages: Mapping[int, str], others: Collection[int]
) -> AsyncIterator[Event]:
    """A reply with its citations set right.

    Args:
        passages: texts by their numbers.
        others: numbers of sources that are not from here.
    """
    citer = Citer(passages, others)
    async for event in events:
        if isinstance(event, TextEvent):
            text = citer.feed(event.text)
            if text or event.logprobs:
                yield msgspec.structs.replace(event, text=text)
            continue
        if isinstance(event, ToolCallEvent) and (rest := citer.finish()):
            yield TextEvent(rest)
        yield event
    if rest := citer.finish():
        yield TextEvent(rest)
