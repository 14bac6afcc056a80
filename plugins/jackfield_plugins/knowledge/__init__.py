"""Answers from the user's own documents (retrieval-augmented generation)."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from jackfield import (
    ComposerPart,
    Document,
    Event,
    Field,
    JackfieldError,
    Page,
    Passage,
    Plugin,
    Reach,
    Routes,
    Tool,
    hookimpl,
    tool,
)

if TYPE_CHECKING:
    import anyio
    import typer

    from jackfield.application import Application
    from jackfield.pipeline import Turn
    from jackfield_plugins.knowledge.library import Library
    from jackfield_plugins.knowledge.records import Asked, Found

Told = TypeVar("Told")
AT_ONCE = 8
"""Searches at once. Each waits in a thread for the models, whose loading needs threads as well."""
ANNOUNCED = 30.0
"""Seconds in which a server that starts has to say where it is."""


class Knowledge(Plugin):
    """Answers from your own documents, with citations; they stay on this computer."""

    reach = Reach(
        network="download",
        hosts=("the web pages that you add",),
        files=("the files and folders that you add",),
    )

    class Config(Plugin.Config):
        """Options of the knowledge."""

        default_collections: list[str] = Field(
            [], description="Collections that every chat uses unless it says otherwise"
        )
        mode: Literal["fused", "vectors", "bm25"] = Field(
            "fused",
            description="How passages are found: by meaning (vectors), by words (bm25), or both",
        )
        k: int = Field(6, ge=1, le=50, description="Passages to give to the model, at most")
        budget_tokens: int = Field(
            1500, ge=50, le=100_000, description="Tokens of all passages together, at most"
        )
        minimum: float = Field(
            0.2,
            ge=0,
            le=1,
            description="How alike question and passage must be (cosine); less counts as nothing "
            "found. Not for bm25",
        )
        reranker: str = Field(
            "", description="A reranking model that sorts what was found; empty: none"
        )
        cite: bool = Field(
            True,
            description="Ask the model to cite passages by their number, and add the number to "
            "sentences whose words are a passage's where it forgets",
        )
        embedding_model: str = Field(
            "", description="Embedding model for new collections; empty: the first there is"
        )
        chunk_tokens: int = Field(
            200, ge=32, le=4096, description="Tokens of a passage in new collections, at most"
        )
        overlap: int = Field(
            30, ge=0, le=1024, description="Tokens that neighbouring passages share, at most"
        )

    def __init__(self, config: Plugin.Config, context: Any) -> None:
        super().__init__(config, context)
        self._app: Application | None = None
        self._library: Library | None = None
        self._room: anyio.CapacityLimiter | None = None
        self._opening = threading.Lock()
        self._stopped = threading.Event()

    # Life

    @hookimpl
    def jackfield_started(self, app: Application) -> None:
        """In a server that has collections: open them soon, and follow the watched folders."""
        self._app = app
        self._stopped.clear()
        if (app.paths.home / "collections" / "collections.db").exists():
            threading.Thread(target=self._serve, name="knowledge-start", daemon=True).start()

    @hookimpl
    def jackfield_stopped(self) -> None:
        """Let go of the collections."""
        self._stopped.set()
        with self._opening:
            if self._library is not None:
                self._library.close()
            self._library = None

    # Turns

    @hookimpl(trylast=True)
    async def jackfield_transform_input(self, text: str, turn: Turn) -> str | None:
        """Search with the text as the model will read it, and ask for citations.

        The search is done here, after plugins that change the text, such as a translation.
        """
        from jackfield_plugins.knowledge.turns import CITE, look_up

        found = await look_up(self, text, turn)
        turn.notes[self.context.name] = found
        return f"{text}\n\n{CITE}" if found and self.config.cite else None

    @hookimpl
    async def jackfield_add_context(self, turn: Turn) -> list[Passage] | None:
        """The passages that were found."""
        found: list[Passage] = turn.notes.get(self.context.name, [])
        return found or None

    @hookimpl(tryfirst=True)
    def jackfield_filter_stream(
        self, events: AsyncIterator[Event], turn: Turn
    ) -> AsyncIterator[Event] | None:
        """Set the reply's citations right where something was searched."""
        from jackfield_plugins.knowledge.turns import cited

        if not self.config.cite or self.context.name not in turn.accounts:
            return None
        mine = {passage.uri for passage in turn.notes.get(self.context.name, [])}
        numbered = dict(enumerate(turn.sources, start=1))
        passages = {number: one.text for number, one in numbered.items() if one.uri in mine}
        return cited(events, passages, numbered.keys() - passages.keys())

    @hookimpl
    def jackfield_tools(self) -> list[Tool]:
        """Searching, for models that call tools."""

        async def search_knowledge(
            query: Annotated[str, Field(description="What to look for, in a sentence")],
            collection: Annotated[
                str, Field(description="Name of one collection; empty: all of them")
            ] = "",
        ) -> str:
            """Search the user's own documents and return the passages that fit best."""
            return await self.in_thread(self._as_tool, query, collection)

        return [tool(search_knowledge, title="Search the knowledge", approval="always")]

    # Surface

    @hookimpl
    def jackfield_composer(self) -> list[ComposerPart]:
        """Which collections a chat uses."""
        from jackfield_plugins.knowledge.composer import draw

        return [ComposerPart(name="collections", draw=lambda chat: draw(self, chat))]

    @hookimpl
    def jackfield_pages(self) -> list[Page]:
        """The page Knowledge."""

        def drawn(app: Application) -> None:
            from jackfield_plugins.knowledge.page import draw

            draw(self, app)

        return [
            Page(
                title="Knowledge",
                url_path="knowledge",
                icon=":material/library_books:",
                draw=drawn,
            )
        ]

    @hookimpl
    def jackfield_routes(self) -> Routes:
        """``/api/collections``."""
        from jackfield_plugins.knowledge.routes import routes

        return routes(self)

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer, app: Application) -> None:
        """``jackfield knowledge``."""
        from jackfield_plugins.knowledge.commands import add

        add(cli, app, self)

    # Work

    def library(self) -> Library:
        """The collections, opened when they are first asked for.

        Raises:
            InUse: another process has them.
            JackfieldError: Chroma is not installed, or the program is not running.
        """
        if self._app is None:
            raise JackfieldError("The collections can be used once the program is running.")
        with self._opening:
            if self._library is None:
                from jackfield_plugins.knowledge.library import Library

                self._library = Library(self._app, self._fetch)
                if self._serves():
                    self._library.serve()
            return self._library

    async def in_thread(self, search: Callable[..., Told], *values: Any) -> Told:
        """Search in a thread; those for all other work are left free."""
        import anyio
        import anyio.to_thread

        if self._room is None:
            self._room = anyio.CapacityLimiter(AT_ONCE)
        return await anyio.to_thread.run_sync(
            search, *values, abandon_on_cancel=True, limiter=self._room
        )

    def search(self, names: list[str], asked: Asked) -> Found:
        """The best passages, found here or by the server that has the collections.

        Args:
            names: of the collections; none for all.

        Raises:
            JackfieldError: that failed.
        """
        import msgspec

        from jackfield_plugins.knowledge.library import InUse
        from jackfield_plugins.knowledge.records import Found
        from jackfield_plugins.knowledge.remote import RemoteDesk

        try:
            library = self.library()
            chosen = names or [one.name for one in library.catalogue.collections()]
            return library.search(chosen, asked)
        except InUse:
            server = RemoteDesk.of(self._app) if self._app is not None else None
            if server is None:
                raise
            given: Mapping[str, Any] = msgspec.to_builtins(asked)
            return msgspec.convert(server.search(names, **given), Found)

    def _as_tool(self, query: str, collection: str) -> str:
        from jackfield_plugins.knowledge.records import Asked

        names = [collection] if collection else list(self.config.default_collections)
        asked = Asked(
            query=query,
            mode=self.config.mode,
            k=self.config.k,
            reranker=self.config.reranker,
            minimum=self.config.minimum,
        )
        found = self.search(names, asked)
        if not found.hits:
            return "Nothing about this was found."
        return "\n\n".join(
            f"[{rank}] {hit.label}\n{hit.chunk.text}" for rank, hit in enumerate(found.hits, 1)
        )

    def _fetch(self, url: str) -> Document:
        from jackfield_plugins.web_page import fetch

        readers = self._app.plugins.document_readers() if self._app is not None else ()
        return fetch(url, offline=self.context.offline, readers=readers)

    def _serves(self) -> bool:
        """Whether this process is the server of the data folder."""
        assert self._app is not None
        try:
            note = json.loads(self._app.paths.server.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(note, dict) and note.get("pid") == os.getpid()

    def _serve(self) -> None:
        """Open the collections, if this process turns out to be the server."""
        waited = 0.0
        while not self._serves():
            if self._stopped.wait(0.25) or waited > ANNOUNCED:
                return
            waited += 0.25
        try:
            self.library()
        except JackfieldError as error:
            self.context.log.warning("the collections cannot be opened: %s", error)
