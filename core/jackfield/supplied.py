"""Typed calls of the hooks that supply things and add to the surface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jackfield import surface
from jackfield.chat_parts import ChatAction, ChatLook, ComposerPart
from jackfield.supply import Supply
from jackfield.turn_plugins import Implementation

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from jackfield.application import Application
    from jackfield.catalog.source import ModelSource
    from jackfield.character import Character
    from jackfield.documents import DocumentReader
    from jackfield.loader import Loader
    from jackfield.page import Page, Routes
    from jackfield.sampling import SamplingPreset
    from jackfield.speech import SpeechRecognizer, SpeechSynthesizer
    from jackfield.templates.template import ChatTemplate
    from jackfield.tools import Tool, ToolCallParser
    from jackfield.translation import Translator


class Supplied(ABC):
    """What running plugins supply and add; a part of the plugin manager."""

    _live: dict[str, tuple[Implementation, ...]]

    @abstractmethod
    def _follow_settings(self) -> None: ...

    @abstractmethod
    def _supplied(self) -> Supply: ...

    def loaders(self) -> dict[str, Loader]:
        """Loaders by name."""
        return self._supplied().get("loader")

    def model_sources(self) -> dict[str, ModelSource]:
        """Sources of models by name."""
        return self._supplied().get("source")

    def chat_templates(self) -> dict[str, ChatTemplate]:
        """Named chat templates by name."""
        return self._supplied().get("template")

    def sampling_presets(self) -> dict[str, SamplingPreset]:
        """Sampling presets by name."""
        return self._supplied().get("preset")

    def pages(self) -> list[tuple[str, Page]]:
        """Pages of plugins, each with its plugin's name; those that could not be shown are not."""
        return self._supplied().owned("page")

    def characters(self) -> dict[str, Character]:
        """Characters by id."""
        return self._supplied().get("character")

    def tools(self) -> list[tuple[str, Tool]]:
        """Tools, each with its plugin's name."""
        return self._supplied().owned("tool")

    def tool_call_parsers(self) -> dict[str, ToolCallParser]:
        """Ways of calling tools by name."""
        return self._supplied().get("parser")

    def document_readers(self) -> list[DocumentReader]:
        """What reads files as text."""
        return list(self._supplied().get("reader").values())

    def speech_synthesizers(self) -> dict[str, SpeechSynthesizer]:
        """Engines that speak by name."""
        return self._supplied().get("synthesizer")

    def speech_recognizers(self) -> dict[str, SpeechRecognizer]:
        """Engines that understand speech by name."""
        return self._supplied().get("recognizer")

    def translators(self) -> dict[str, Translator]:
        """Engines that translate by name."""
        return self._supplied().get("translator")

    def composer(self) -> list[tuple[str, ComposerPart]]:
        """What stands beside the input of a chat, each with its plugin's name."""
        return surface.parts(self._live.get("composer", ()), "composer", ComposerPart)

    def chat_actions(self) -> list[tuple[str, ChatAction]]:
        """Things to do with a message, each with its plugin's name."""
        return surface.parts(self._live.get("chat_actions", ()), "chat_actions", ChatAction)

    def chat_look(self, options: Mapping[str, Mapping[str, Any]]) -> ChatLook:
        """How the one who answers is shown in a chat.

        Args:
            options: what the chat says to plugins.
        """
        return surface.look(self._live.get("chat_look", ()), options)

    def commands(self, cli: typer.Typer, app: Application) -> None:
        """Let plugins add their commands to those that are there."""
        surface.add_commands(cli, app, self._live.get("commands", ()))

    def routes(self) -> list[tuple[str, APIRouter | Routes]]:
        """Routes of plugins, each with its plugin's name."""
        self._follow_settings()
        return surface.routes(self._live.get("routes", ()))

    def with_routes(self) -> list[str]:
        """Names of the plugins that may have routes."""
        self._follow_settings()
        return [one.plugin for one in self._live.get("routes", ())]

    def complain(self, plugin: str, hook: str, words: str) -> None:
        """Note on a plugin's card what is wrong with what a hook of its gave."""
        for one in self._live.get(hook, ()):
            if one.plugin == plugin:
                one.note(hook, words)
