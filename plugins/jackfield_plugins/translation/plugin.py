"""Translates chats: what the user writes for the model, what the model answers for the user."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from jackfield import (
    ChatAction,
    ComposerPart,
    Event,
    Field,
    JackfieldError,
    Message,
    Plugin,
    Routes,
    Translator,
    hookimpl,
)
from jackfield_plugins.translation.languages import AS_WRITTEN, short

if TYPE_CHECKING:
    import typer

    from jackfield.application import Application
    from jackfield.conversations import Node
    from jackfield.pipeline import Turn
    from jackfield_plugins.translation.conversation import Languages
    from jackfield_plugins.translation.engines import Engines

REMEMBERED = 200
"""Replies whose originals are remembered, for clients that send them back without."""


class Translation(Plugin):
    """Lets you chat in your language with a model that works in another, all on this computer."""

    class Config(Plugin.Config):
        """Options that hold unless a chat says otherwise."""

        on: bool = Field(False, description="Translate every chat, not only those you choose")
        user_language: str = Field(
            "",
            title="Your language",
            description="A code such as fr; empty: the language you write in",
        )
        model_language: str = Field(
            "en", title="The model's language", description="A code such as en"
        )
        engine: str = Field(
            "marian", description="The engine to take where several have a pair of languages"
        )

        @field_validator("user_language", "model_language")
        @classmethod
        def _code(cls, value: str, info: Any) -> str:
            code = short(value.strip())
            if not code and (value.strip() or info.field_name == "model_language"):
                raise ValueError("a language is a code of two letters, such as fr")
            return code

    def __init__(self, config: Plugin.Config, context: Any) -> None:
        super().__init__(config, context)
        self._app: Application | None = None
        self._originals: OrderedDict[str, str] = OrderedDict()

    @cached_property
    def engines(self) -> Engines:
        """The engines that are there."""
        from jackfield_plugins.translation.engines import Engines

        return Engines(self._supplied, lambda: str(self.config.engine))

    @hookimpl
    def jackfield_started(self, app: Application) -> None:
        """Keep where engines are found."""
        self._app = app

    @hookimpl
    def jackfield_config_changed(self, before: Mapping[str, Any]) -> None:
        """Another engine may say it otherwise."""
        self.engines.forget()

    @hookimpl(tryfirst=True)
    def jackfield_transform_messages(
        self, messages: Sequence[Message], turn: Turn
    ) -> Sequence[Message] | None:
        """Put the conversation into the model's language."""
        languages = self._languages(turn)
        if languages is None:
            return None
        from jackfield_plugins.translation.conversation import Conversation

        conversation = Conversation(self.engines, messages, languages, self._kept, self._original)
        try:
            made = conversation.translated()
        except JackfieldError as error:
            turn.tell(f"Nothing is translated. {error.message} {error.hint}".strip(), "warning")
            return None
        if made is None:
            return None
        if made.rows:
            turn.accounts[self.context.name] = made.rows
        if made.user != languages.model:
            turn.notes[self.context.name] = (languages.model, made.user)
        return made.messages

    @hookimpl(tryfirst=True)
    def jackfield_filter_stream(
        self, events: AsyncIterator[Event], turn: Turn
    ) -> AsyncIterator[Event] | None:
        """Translate the reply sentence by sentence as it is written."""
        pair = turn.notes.get(self.context.name)
        if pair is None:
            return None
        from jackfield_plugins.translation.reply import ReplyTranslation

        begun = ""
        if turn.continues:
            last = turn.messages[-1]
            begun = self._kept(last).get("original", last.text)
        made = ReplyTranslation(self.engines, turn, self.context.name, pair, begun, self._remember)
        return made.run(events)

    @hookimpl
    def jackfield_chat_actions(self) -> list[ChatAction]:
        """The original of a translated reply."""
        from jackfield_plugins.translation.chat import draw_original

        name = self.context.name

        def applies(node: Node) -> bool:
            return bool(node.message.extras.get(name))

        return [
            ChatAction(
                label="Show original",
                icon=":material/translate:",
                applies=applies,
                draw=lambda chat, node: draw_original(node.message.extras.get(name, {})),
            )
        ]

    @hookimpl
    def jackfield_composer(self) -> list[ComposerPart]:
        """The languages of a chat."""
        from jackfield_plugins.translation.chat import draw_languages

        return [
            ComposerPart(
                name="translation",
                draw=lambda chat: draw_languages(chat, self.engines, self.config),
            )
        ]

    @hookimpl
    def jackfield_routes(self) -> Routes:
        """``/api/translate``."""
        from jackfield_plugins.translation.routes import routes

        return routes(self.engines, self._supplied)

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer, app: Application) -> None:
        """``jackfield translate``."""
        from jackfield_plugins.translation.commands import add

        add(cli, app, lambda: self.engines, self._supplied)

    def _supplied(self) -> Mapping[str, Translator]:
        return self._app.plugins.translators() if self._app is not None else {}

    def _languages(self, turn: Turn) -> Languages | None:
        """What this turn says, or the options; None if it is not to be translated.

        A language that is no code is passed over with a word to the user.
        """
        from jackfield_plugins.translation.conversation import Languages

        said = turn.options.get(self.context.name, {})
        if not said.get("on", self.config.on):
            return None
        user = str(said.get("user") or self.config.user_language)
        model = str(said.get("model") or self.config.model_language)
        user = "" if user == AS_WRITTEN else user
        for code in filter(None, (user, model)):
            if not short(code):
                turn.tell(f"{code!r} is no code of a language, such as fr.", "warning")
        return Languages(user=short(user), model=short(model) or self.config.model_language)

    def _kept(self, message: Message) -> dict[str, Any]:
        kept = message.extras.get(self.context.name)
        return kept if isinstance(kept, dict) else {}

    def _original(self, digest: str) -> str:
        return self._originals.get(digest, "")

    def _remember(self, digest: str, original: str) -> None:
        self._originals[digest] = original
        while len(self._originals) > REMEMBERED:
            self._originals.popitem(last=False)
