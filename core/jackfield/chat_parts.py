"""What plugins add to the Chat page. Imports no Streamlit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield.conversations import Node


class ChatView(Protocol):
    """The chat that is being shown, as a plugin sees it.

    Attributes:
        app: the application.
        id: the chat's id, "" before its first message.
        model: the model that answers.
        options: what this chat says to the plugin; see :attr:`jackfield.pipeline.Turn.options`.
        running: a reply is being written.
    """

    app: Application
    id: str
    model: str
    options: dict[str, Any]
    running: bool

    def set(self, **options: Any) -> None:
        """Keep something for the plugin with this chat; None removes it. For callbacks."""

    def send(self, text: str) -> None:
        """Send a message as if the user had typed it. For callbacks."""

    def say(self, text: str) -> None:
        """Show a short notice. For callbacks."""


class ComposerPart(msgspec.Struct, frozen=True, kw_only=True):
    """Something beside the input box of the Chat page.

    Attributes:
        name: unique within the plugin, for keys.
        draw: draws it with Streamlit, small: it stands in a row; import Streamlit inside. Keys of
            widgets begin with the plugin's name.
        understands: what is said in a recording from the input's microphone; raises JackfieldError.
            Without one, the first engine that is ready is asked.
    """

    name: str
    draw: Callable[[ChatView], None]
    understands: Callable[[bytes], str] | None = None


class ChatAction(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do with a message, in its menu.

    Attributes:
        label: what the user reads.
        icon: a Material symbol, e.g. ``:material/volume_up:``.
        applies: whether it can be done with a message.
        draw: draws what came of it below the message, once it was chosen; import Streamlit inside.
    """

    label: str
    icon: str
    applies: Callable[[Node], bool]
    draw: Callable[[ChatView, Node], None]


class ChatLook(msgspec.Struct, frozen=True, kw_only=True):
    """How the one who answers is shown.

    Attributes:
        name: what stands over its messages, "" for nothing.
        picture: PNG, JPEG or WebP; b"" for the usual sign.
    """

    name: str = ""
    picture: bytes = b""
