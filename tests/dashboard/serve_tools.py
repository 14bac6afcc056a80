"""Serves fake models that call tools, and a plugin that adds to the Chat page.

``python serve_tools.py HOME`` prints the address and serves until it is ended.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from jackfield import (
    ChatAction,
    ChatLook,
    ChatView,
    ComposerPart,
    Passage,
    Plugin,
    hookimpl,
)
from jackfield.application import Application
from jackfield.paths import Paths
from jackfield.server import serve
from jackfield.testing import FakePlugin
from toolshed import Toolshed


class Decorated(Plugin):
    """Adds something everywhere on the Chat page."""

    @hookimpl
    def jackfield_composer(self):
        def draw(view: ChatView) -> None:
            import streamlit as st

            count = view.options.get("count", 0)
            st.button(
                f"Pressed {count}",
                key="decorated.press",
                on_click=lambda: view.set(count=count + 1),
            )

        def fail(view: ChatView) -> None:
            raise KeyError("the composer")

        return [ComposerPart(name="press", draw=draw), ComposerPart(name="fail", draw=fail)]

    @hookimpl
    def jackfield_chat_actions(self):
        def draw(view, node) -> None:
            import streamlit as st

            st.markdown(f"It has {len(node.message.text)} letters.")

        return [
            ChatAction(
                label="Count letters",
                icon=":material/abc:",
                applies=lambda node: node.message.role == "assistant",
                draw=draw,
            )
        ]

    @hookimpl
    def jackfield_chat_look(self, options):
        return ChatLook(name="Ada") if options.get("count") else None

    @hookimpl
    def jackfield_add_context(self, turn):
        turn.tell("One passage was found.")
        turn.accounts[self.context.name] = [{"rank": 1, "passage": "The manual"}]
        return [Passage("Press the red button.", title="The manual", uri="/decorated?page=1")]


def main(home: Path) -> None:
    app = Application.create(Paths(home), entry_points=[])
    app.plugins.register("fake", FakePlugin)
    app.plugins.register("toolshed", Toolshed)
    app.plugins.register("decorated", Decorated)
    serve(app, port=0, open_browser=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
