"""Finding models to fetch, over all sources."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from difflib import get_close_matches

import msgspec

from jackfield.catalog.source import ModelSource, Offer
from jackfield.errors import DownloadError, JackfieldError, NotFound
from jackfield.manager import PluginManager

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
"""What an offer may be called: it becomes a folder."""


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one source has found, or why it cannot say."""

    source: str
    title: str
    offers: list[Offer] = []
    error: str = ""
    hint: str = ""


class Sources:
    """All sources that enabled plugins bring. What one does wrong hides no other."""

    def __init__(self, plugins: PluginManager) -> None:
        self._plugins = plugins

    def offers(self) -> list[tuple[str, Offer]]:
        """What all sources list without a network, each with its source's name."""
        sources = self._plugins.model_sources()
        return [(name, offer) for name, one in sources.items() for offer in _offers(one)]

    def get(self, name: str) -> ModelSource:
        """A source by its name.

        Raises:
            NotFound: there is none.
        """
        sources = self._plugins.model_sources()
        if name not in sources:
            raise NotFound(
                f"There is no source {name!r}.",
                hint=f"There is: {', '.join(sources) or 'none; enable a plugin that has one'}.",
            )
        return sources[name]

    def find_offer(self, name: str) -> tuple[str, Offer]:
        """The source and offer of a name that is listed, in any case.

        Raises:
            NotFound: nobody offers it; ``details['nearest']`` is the most similar name.
        """
        offers = self.offers()
        for source, offer in offers:
            if offer.name == name.lower():
                return source, offer
        names = [offer.name for _, offer in offers]
        nearest = next(iter(get_close_matches(name.lower(), names, n=1, cutoff=0.4)), None)
        meant = f"Did you mean {nearest!r}? " if nearest else ""
        hint = f"{meant}There is: {', '.join(names) or 'nothing'}."
        raise NotFound(f"No source offers a model {name!r}.", hint=hint, name=name, nearest=nearest)

    def search(self, words: str, source: str = "") -> list[SearchResult]:
        """What fits some words, by source; a source that cannot be asked says why."""
        found = []
        for name, one in self._asked(source):
            try:
                offers = [offer for offer in one.search(words) if NAME.fullmatch(offer.name)]
                result = SearchResult(source=name, title=one.title, offers=offers)
            except Exception as error:  # noqa: BLE001 - a source is a plugin's own code
                told = _told(one, error)
                result = SearchResult(
                    source=name, title=one.title, error=told.message, hint=told.hint
                )
            found.append(result)
        return found

    def resolve(self, reference: str, source: str = "") -> tuple[str, Offer]:
        """The source and offer meant by a name, ``owner/name``, an address, ...

        Raises:
            NotFound: no source knows it.
            JackfieldError: a source knows it, and it cannot be had.
        """
        for name, one in self._asked(source):
            listed = next((o for o in _offers(one) if o.name == reference.lower()), None)
            if listed is not None:
                return name, listed
        for name, one in self._asked(source):
            try:
                offer = one.resolve(reference)
            except Exception as error:
                raise _told(one, error) from error
            if offer is not None:
                return name, _named(offer)
        if source:
            raise NotFound(f"The source {source!r} does not offer {reference!r}.")
        return self.find_offer(reference)

    def variants(self, reference: str, source: str = "") -> list[tuple[str, Offer]]:
        """What can be fetched in place of each other for a reference, e.g. quantizations.

        Raises:
            JackfieldError: as for ``resolve``.
        """
        for name, one in self._asked(source):
            try:
                found = one.variants(reference)
            except Exception as error:
                raise _told(one, error) from error
            if found:
                return [(name, _named(offer)) for offer in found]
        return [self.resolve(reference, source)]

    def _asked(self, source: str) -> Iterator[tuple[str, ModelSource]]:
        if source:
            yield source, self.get(source)
        else:
            yield from self._plugins.model_sources().items()


def _offers(source: ModelSource) -> list[Offer]:
    """A source's offers; none, with a line in the log, when it fails to say."""
    try:
        return [offer for offer in source.offers() if NAME.fullmatch(offer.name)]
    except Exception:  # a source is a plugin's own code
        logging.getLogger(__name__).exception("The source %r cannot say what it has", source.name)
        return []


def _named(offer: Offer) -> Offer:
    """Refuse an offer whose name would not do for a folder."""
    if not NAME.fullmatch(offer.name):
        raise NotFound(f"{offer.title!r} cannot be fetched under the name {offer.name!r}.")
    return offer


def _told(source: ModelSource, error: Exception) -> JackfieldError:
    if isinstance(error, JackfieldError):
        return error
    return DownloadError(
        f"The source {source.name!r} failed: {type(error).__name__}: {error}",
        hint="Tell the author of the plugin that brings it.",
    )
