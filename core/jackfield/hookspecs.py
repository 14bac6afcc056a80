"""Every hook a plugin may implement.

An implementation may take fewer arguments than the specification. Each is called on its own, so
that an error or a change has an owner. Turn hooks may be ``def`` (run in a thread) or
``async def``; the others are ``def``. Returning None leaves things as they are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jackfield.plugin import hookspec

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from jackfield.application import Application
    from jackfield.catalog.source import ModelSource
    from jackfield.character import Character
    from jackfield.chat_parts import ChatAction, ChatLook, ComposerPart
    from jackfield.documents import DocumentReader
    from jackfield.loader import Loader, ModelInfo
    from jackfield.logits import LogitsProcessor
    from jackfield.messages import Event, Message, Passage
    from jackfield.page import Page, Routes
    from jackfield.pipeline import Turn
    from jackfield.sampling import SamplingParams, SamplingPreset
    from jackfield.speech import SpeechRecognizer, SpeechSynthesizer
    from jackfield.templates.template import ChatTemplate
    from jackfield.tools import Tool, ToolCallParser
    from jackfield.trace import Trace
    from jackfield.translation import Translator

# Supply


@hookspec
def jackfield_loaders() -> Sequence[type[Loader] | Loader]:  # type: ignore[empty-body]
    """Model loaders. Called when plugins change. Since 1.0.

    Return classes, or objects that know the plugin's options; a worker makes its own without
    arguments.
    """


@hookspec
def jackfield_model_sources() -> Sequence[ModelSource]:  # type: ignore[empty-body]
    """Places where models can be got. Called when plugins change. Since 1.0."""


@hookspec
def jackfield_chat_templates() -> Sequence[ChatTemplate]:  # type: ignore[empty-body]
    """Named chat templates. Called when plugins change. Since 1.0."""


@hookspec
def jackfield_sampling_presets() -> Sequence[SamplingPreset]:  # type: ignore[empty-body]
    """Named sets of sampling parameters. Called when plugins change. Since 1.0."""


@hookspec
def jackfield_characters() -> Sequence[Character]:  # type: ignore[empty-body]
    """Characters that a model can play. Called whenever they are listed or used. Since 1.0."""


@hookspec
def jackfield_tools() -> Sequence[Tool]:  # type: ignore[empty-body]
    """Tools that a model can call. Called for each turn with tools: answers at once. Since 1.0."""


@hookspec
def jackfield_tool_call_parsers() -> Sequence[ToolCallParser]:  # type: ignore[empty-body]
    """How families of models write calls of tools. Called when plugins change. Since 1.0."""


@hookspec
def jackfield_document_readers() -> Sequence[DocumentReader]:  # type: ignore[empty-body]
    """What reads files as text. Called when plugins change. Since 1.0."""


@hookspec
def jackfield_speech_synthesizers() -> Sequence[SpeechSynthesizer]:  # type: ignore[empty-body]
    """Engines that speak. Called when plugins change. Since 1.0."""


@hookspec
def jackfield_speech_recognizers() -> Sequence[SpeechRecognizer]:  # type: ignore[empty-body]
    """Engines that understand speech. Called when plugins change. Since 1.0."""


@hookspec
def jackfield_translators() -> Sequence[Translator]:  # type: ignore[empty-body]
    """Engines that translate. Called when plugins change. Since 1.0."""


# Surface


@hookspec
def jackfield_pages() -> Sequence[Page]:  # type: ignore[empty-body]
    """Pages of the dashboard, drawn with Streamlit. Called on each run of the script. Since 1.0."""


@hookspec
def jackfield_commands(cli: typer.Typer, app: Application) -> None:
    """Add commands to the command line, which may use ``app`` when they run. Since 1.0.

    Called once, before the command line is parsed.
    """


@hookspec
def jackfield_routes() -> APIRouter | Routes | None:
    """HTTP routes. Called when the plugin is enabled. Since 1.0.

    A router is mounted under ``/api/plugins/<name>``; ``Routes`` lie where they say.
    """


@hookspec
def jackfield_composer() -> Sequence[ComposerPart]:  # type: ignore[empty-body]
    """Extras beside the input box of the Chat page. Called on each run of the page. Since 1.0."""


@hookspec
def jackfield_chat_actions() -> Sequence[ChatAction]:  # type: ignore[empty-body]
    """Things to do with a message of a chat. Called on each run of the page. Since 1.0."""


@hookspec
def jackfield_chat_look(options: Mapping[str, Any]) -> ChatLook | None:
    """How the one who answers is shown in a chat. Called on each run of the page. Since 1.0.

    ``options`` are what the chat says to this plugin. The first plugin that answers is followed.
    """


# Turn, in the order of their calls


@hookspec
def jackfield_before_turn(turn: Turn) -> None:
    """A turn begins. May change ``turn``, or raise TurnRefused to decline it. Since 1.0."""


@hookspec
def jackfield_transform_messages(
    messages: Sequence[Message], turn: Turn
) -> Sequence[Message] | None:
    """Change the conversation as the model will read it, its model being loaded. Since 1.0.

    What is saved of the chat stays as it is. ``turn.info`` tells what the model can do. There are
    as many messages of the user afterwards as before, and the last stays the last.
    """


@hookspec
def jackfield_transform_input(text: str, turn: Turn) -> str | None:
    """Change the text of the user's last message, as the model will read it. Since 1.0."""


@hookspec
def jackfield_add_context(turn: Turn) -> Sequence[Passage] | None:
    """Passages to put before the user's last message, fitted to the context budget. Since 1.0."""


@hookspec
def jackfield_modify_sampling(params: SamplingParams, turn: Turn) -> SamplingParams | None:
    """Change the sampling parameters (use ``params.model_copy(update=...)``). Since 1.0."""


@hookspec
def jackfield_transform_prompt(prompt: str, turn: Turn) -> str | None:
    """Change the rendered prompt, special tokens included. Since 1.0."""


@hookspec
def jackfield_logits_processors(turn: Turn) -> Sequence[LogitsProcessor] | None:
    """What changes the scores of each token in the model's worker. Since 1.0.

    Called for each turn. Models without the capability ``logits_processors`` do without, and the
    user is told. A processor that fails while the model writes is passed over from there on.
    """


@hookspec
def jackfield_filter_stream(
    events: AsyncIterator[Event], turn: Turn
) -> AsyncIterator[Event] | None:
    """Wrap the stream of events: usually an async generator that yields them on. Since 1.0.

    If it raises, the events it had taken and not passed on are passed on, and the rest as well.
    """


@hookspec
def jackfield_transform_reply(reply: str, turn: Turn) -> str | None:
    """Change the whole reply once it is written. Since 1.0.

    While an enabled plugin has this hook, a streamed API reply is held back until it is whole; use
    ``jackfield_filter_stream`` for what can be done as the text comes.
    """


@hookspec
def jackfield_after_turn(turn: Turn, trace: Trace) -> None:
    """A turn has ended, well or badly: ``trace`` tells how. Since 1.0."""


# Life


@hookspec
def jackfield_started(app: Application) -> None:
    """The server or command has started, or the plugin has just been enabled. Since 1.0."""


@hookspec
def jackfield_stopped() -> None:
    """The server or command ends, or the plugin is being disabled. Since 1.0."""


@hookspec
def jackfield_config_changed(before: Mapping[str, Any]) -> None:
    """The plugin's own config was replaced; ``before`` is the old one. Since 1.0."""


@hookspec
def jackfield_model_loaded(model: str, info: ModelInfo) -> None:
    """A model has become resident. Since 1.0."""


@hookspec
def jackfield_model_unloaded(model: str) -> None:
    """A model is no longer resident. Since 1.0."""
