"""Characters that a model can play, and their cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield import (
    Character,
    ChatLook,
    ComposerPart,
    Field,
    LongText,
    Message,
    Page,
    Plugin,
    Routes,
    SamplingParams,
    TurnRefused,
    hookimpl,
    message,
)

if TYPE_CHECKING:
    import typer

    from jackfield.application import Application
    from jackfield.pipeline import Turn

    from .playing import Playing
    from .store import Store

USUAL = "Write the next reply of {{char}} in a conversation between {{char}} and {{user}}."


class Characters(Plugin):
    """Lets a model play characters, which you write yourself or import as character cards."""

    requires_api = ">=1,<2"

    class Config(Plugin.Config):
        """Options of characters."""

        user: str = Field(
            "User",
            min_length=1,
            max_length=100,
            description="Your name, as characters know you; a chat may have another",
        )
        instructions: LongText = Field(
            USUAL,
            description="What the model is told to do, where neither the character nor the chat "
            "says it. {{char}} and {{user}} stand for the two names",
        )
        scan_depth: int = Field(
            4, ge=1, le=100, description="How many of the latest messages bring up lore"
        )
        lore_tokens: int = Field(
            600, ge=0, le=100_000, description="Most tokens that lore may take in a turn"
        )
        with_own: bool = Field(True, description="Offer the characters that come with Jackfield")

    def __init__(self, config: Plugin.Config, context: Any) -> None:
        super().__init__(config, context)
        self._store: Store | None = None
        self._looks: dict[str, bytes] = {}

    @property
    def store(self) -> Store:
        """The user's characters."""
        if self._store is None:
            from .store import Store

            self._store = Store(self.context.data)
        return self._store

    # What it supplies

    @hookimpl
    def jackfield_characters(self) -> list[Character]:
        """The user's characters, and those that come with Jackfield."""
        return list(self.all().values())

    @hookimpl
    def jackfield_chat_look(self, options: Mapping[str, Any]) -> ChatLook | None:
        """Name and picture of the chat's character."""
        id_ = options.get("character")
        character = self.all().get(id_) if isinstance(id_, str) else None
        if character is None:
            return None
        return ChatLook(name=character.nickname or character.name, picture=self.look(character))

    @hookimpl
    def jackfield_pages(self) -> list[Page]:
        """A page to make, edit, import and export them."""

        def draw(app: Application) -> None:
            from .page import draw

            draw(app, self)

        return [
            Page(
                title="Characters",
                url_path="characters",
                icon=":material/theater_comedy:",
                draw=draw,
            )
        ]

    @hookimpl
    def jackfield_composer(self) -> list[ComposerPart]:
        """A choice of the chat's character."""
        from .composer import Chooser

        return [ComposerPart(name="character", draw=Chooser(self).draw)]

    @hookimpl
    def jackfield_routes(self) -> Routes:
        """``/api/characters``."""
        from .routes import routes

        return Routes(router=routes(self), paths=("/api/characters",))

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer) -> None:
        """``jackfield characters``."""
        from .commands import add_commands

        add_commands(cli, self)

    # In a turn

    @hookimpl
    def jackfield_before_turn(self, turn: Turn) -> None:
        """Find the character, and say how it speaks."""
        options = turn.options.get(self.context.name)
        if not options or turn.mode != "chat":
            return
        from .playing import Choice

        try:
            choice = msgspec.convert(options, Choice)
        except msgspec.ValidationError as error:
            raise TurnRefused(
                f"What this request says to {self.context.name!r} is wrong: {error}.",
                hint='For example: {"character": "travel-advisor", "user": "Ada", "greeting": 0}.',
                param=f"plugins.options.{self.context.name}",
            ) from error
        if not choice.character:
            return
        character = self.all().get(choice.character)
        if character is None:
            self._missing(choice.character, turn)
            return
        turn.notes[self.context.name] = self._playing(character, choice)
        turn.extras[self.context.name] = {"character": character.id, "name": character.name}
        if character.voice:
            speech = {"voice": character.voice, **turn.options.get("speech", {})}
            turn.options = {**turn.options, "speech": speech}

    @hookimpl
    async def jackfield_transform_messages(
        self, messages: Sequence[Message], turn: Turn
    ) -> list[Message] | None:
        """Tell the model whom it plays."""
        playing = self._played(turn)
        if playing is None:
            return None
        changed = await playing.messages(self._begun(messages, turn), turn)
        turn.accounts[self.context.name] = playing.rows
        return changed

    @hookimpl(trylast=True)
    def jackfield_transform_input(self, text: str, turn: Turn) -> str | None:
        """Put the character's last words after the user's message."""
        playing = self._played(turn)
        return playing.last_words(text) if playing is not None else None

    @hookimpl(tryfirst=True)
    def jackfield_modify_sampling(
        self, params: SamplingParams, turn: Turn
    ) -> SamplingParams | None:
        """The character's parameters, where the chat sets none; stop before the user speaks."""
        playing = self._played(turn)
        if playing is None:
            return None
        own = playing.character.sampling
        given = {name: own[name] for name in own if name not in turn.sampling.model_fields_set}
        stop = [*given.get("stop", params.stop), f"\n{playing.names.user}:"]
        return params.model_copy(update={**given, "stop": list(dict.fromkeys(stop))[:64]})

    # For the page, the routes and the commands

    def all(self) -> dict[str, Character]:
        """Every character by id; those of the user first."""
        own = self.store.own() if self.config.with_own else {}
        return {**self.store.all(), **own}

    def is_own(self, id_: str) -> bool:
        """Whether a character comes with Jackfield, and so cannot be changed."""
        return id_ in self.store.own()

    def look(self, character: Character) -> bytes:
        """A small picture of a character; one is drawn where it has none."""
        if character.picture:
            return character.picture
        if character.name not in self._looks:
            from .pictures import drawn

            if len(self._looks) > 500:
                self._looks.clear()
            self._looks[character.name] = drawn(character.name)
        return self._looks[character.name]

    # Inside

    def _playing(self, character: Character, choice: Any) -> Playing:
        from .macros import Names
        from .playing import Playing

        user = " ".join((choice.user or self.config.user).split())[:100]
        return Playing(
            character,
            Names.of(character, user),
            usual=self.config.instructions,
            scan_depth=self.config.scan_depth,
            lore_tokens=self.config.lore_tokens,
            greeting=choice.greeting,
        )

    def _played(self, turn: Turn) -> Playing | None:
        playing: Playing | None = turn.notes.get(self.context.name)
        return playing

    def _begun(self, messages: Sequence[Message], turn: Turn) -> list[Message]:
        """The conversation, begun by the greeting that the request asks for."""
        playing = turn.notes[self.context.name]
        greeting = playing.greeting()
        place = next((at for at, one in enumerate(messages) if one.role != "system"), 0)
        if not greeting or messages[place].role == "assistant":
            return [*messages]
        return [*messages[:place], message("assistant", greeting), *messages[place:]]

    def _missing(self, id_: str, turn: Turn) -> None:
        """Decline a request for a character that is not there; a chat goes on without it."""
        words = f"There is no character {id_!r}"
        if turn.origin == "dashboard":
            turn.tell(f"{words} any more: the model answers as itself.", "warning")
            return
        raise TurnRefused(
            f"{words}.",
            hint="See which there are: jackfield characters list, or GET /api/characters.",
            param=f"plugins.options.{self.context.name}.character",
        )
