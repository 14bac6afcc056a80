"""Serves a data folder with plugins of speech, and a page with what stands beside a chat's input.

``python serve_speech.py HOME MODELS`` prints the address and serves until it is ended; MODELS is a
folder with models of Whisper.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jackfield import Page, Plugin, hookimpl
from jackfield.application import Application
from jackfield.paths import Paths
from jackfield.server import serve
from jackfield.testing import FakePlugin
from jackfield_plugins.speech.hibari import Hibari
from jackfield_plugins.speech.plugin import Speech
from jackfield_plugins.speech.whisper import Whisper


class Stage(Plugin):
    """A page with the controls of a chat that keeps what it is told."""

    @hookimpl
    def jackfield_pages(self) -> list[Page]:
        def draw(app: Application) -> None:
            import streamlit as st

            kept = st.session_state.setdefault("stage", {"options": {}, "sent": [], "said": []})

            class View:
                id = "a-chat"
                model = ""
                options = kept["options"]
                running = False

                def __init__(self) -> None:
                    self.app = app

                def set(self, **options: object) -> None:
                    kept["options"].update(options)

                def send(self, text: str) -> None:
                    kept["sent"].append(text)

                def say(self, text: str) -> None:
                    kept["said"].append(text)

            for _, part in app.plugins.composer():
                with st.container(horizontal=True, vertical_alignment="center"):
                    part.draw(View())
            st.write("Sent:", *kept["sent"])
            st.write("Said:", *kept["said"])
            st.write("Options:", str(kept["options"]))

        return [Page(title="Stage", url_path="stage", icon=":material/mic:", draw=draw)]


def main(home: Path, models: Path) -> None:
    app = Application.create(Paths(home), entry_points=[])
    app.plugins.register("fake", FakePlugin)
    app.plugins.register("speech", Speech, config={"read_aloud": True})
    app.plugins.register("hibari", Hibari)
    app.plugins.register("whisper", Whisper, config={"folder": str(models)})
    app.plugins.register("stage", Stage)
    serve(app, port=0, open_browser=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
