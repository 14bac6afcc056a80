"""Puts a conversation into the model's language."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from jackfield import InvalidRequest, Message
from jackfield_plugins.translation.detection import detect
from jackfield_plugins.translation.engines import Engines


class Languages(msgspec.Struct, frozen=True):
    """What a chat says about languages.

    Attributes:
        user: of the user, "" for the one that the messages are in.
        model: in which the model works.
    """

    user: str
    model: str


class Translated(msgspec.Struct, frozen=True):
    """A conversation in the model's language.

    Attributes:
        user: the language that the reply is wanted in.
        rows: what was translated, for the inspector.
    """

    messages: list[Message]
    user: str
    rows: list[dict[str, Any]]


def digest(text: str) -> str:
    """A short name for a text, to tell whether it is still the same."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Conversation:
    """The messages of one turn.

    Args:
        kept: what this plugin kept with a reply.
        said: the original of a reply that was translated lately, by its digest; "" if unknown.
    """

    def __init__(
        self,
        engines: Engines,
        messages: Sequence[Message],
        languages: Languages,
        kept: Callable[[Message], dict[str, Any]],
        said: Callable[[str], str],
    ) -> None:
        self._engines = engines
        self._messages = messages
        self._languages = languages
        self._kept = kept
        self._said = said
        self._rows: list[dict[str, Any]] = []

    def translated(self) -> Translated | None:
        """The messages as the model will read them; None if all is in its language anyway.

        Raises:
            InvalidRequest: no engine has the pair.
            JackfieldError: an engine failed, or something is not installed.
        """
        spoken = self._spoken()
        model = self._languages.model
        user = self._languages.user or next(
            (spoken[at] for at in reversed(range(len(spoken))) if self._is_users(at)), ""
        )
        foreign = {one for one in spoken if one not in ("", model)}
        if not user or (user == model and not foreign):
            return None
        wanted = [(language, model) for language in sorted(foreign)]
        self._engines.check([*wanted, (model, user)] if user != model else wanted)
        made = [
            self._message(one, language)
            for one, language in zip(self._messages, spoken, strict=True)
        ]
        return Translated(made, user, self._rows)

    def _is_users(self, at: int) -> bool:
        return self._messages[at].role == "user"

    def _spoken(self) -> list[str]:
        """The language of each message; "" where it does not matter."""
        expected = {self._languages.model, self._languages.user} - {""}
        expected |= self._engines.languages()
        before = self._languages.user
        spoken = []
        for one in self._messages:
            language = ""
            if one.role == "user":
                language = detect(one.text, expected, before)
                before = language or before
            elif one.role == "assistant":
                kept = self._kept(one)
                if kept.get("digest") == digest(one.text):
                    before = kept["target"]
                    language = kept["source"]
                elif self._said(digest(one.text)):
                    language = self._languages.model
                else:
                    language = detect(one.text, expected, before or self._languages.model)
            spoken.append(language)
        return spoken

    def _message(self, one: Message, language: str) -> Message:
        """A message in the model's language."""
        text, what = one.text, "your message"
        if one.role == "assistant":
            what = "earlier reply"
            kept = self._kept(one)
            own = kept["original"] if kept.get("digest") == digest(text) else ""
            text = own or self._said(digest(text)) or text
        if language not in ("", self._languages.model) and text:
            text = self._translate(text, language, what)
        return one if text == one.text else one.with_text(text)

    def _translate(self, text: str, language: str, what: str) -> str:
        model = self._languages.model
        began = time.perf_counter()
        made = self._engines.translate(text, language, model)
        self._rows.append(row(self._engines, what, language, model, began))
        return made


def row(engines: Engines, what: str, source: str, target: str, began: float) -> dict[str, Any]:
    """A line for the inspector."""
    return {
        "what": what,
        "from": source,
        "to": target,
        "engine": words(engines, source, target),
        "seconds": round(time.perf_counter() - began, 3),
    }


def words(engines: Engines, source: str, target: str) -> str:
    """Who translates a pair, in words for the user; "" if nobody."""
    try:
        route = engines.route(source, target)
    except InvalidRequest:
        return ""
    through = "".join(f" through {step.target}" for step in route[:-1])
    return " and ".join(dict.fromkeys(step.engine for step in route)) + through
