"""One rerun of the Chat page with a long conversation."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.result import Result, spread
from benchmarks.setting import Setting

MESSAGES = 200
TEXT = (
    "Here is a *list*:\n\n- one\n- two\n\n```python\nprint('three')\n```\n\nand some more words. "
    * 3
)


def run(setting: Setting) -> list[Result]:
    """Milliseconds that the script takes on the server, once everything is imported."""
    from streamlit.testing.v1 import AppTest

    from jackfield import dashboard, message
    from jackfield.application import Application
    from jackfield.dashboard import current
    from jackfield.paths import Paths

    logging.getLogger("streamlit").setLevel(logging.ERROR)
    figures: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        app = Application.create(Paths(Path(folder)))
        (app.paths.models / "model.gguf").symlink_to(setting.model)
        with app.in_thread():
            current.attach(app)
            chat = app.conversations.create(title="Long", model="model")
            parent: str | None = None
            for number in range(MESSAGES):
                said = message("assistant" if number % 2 else "user", f"{number}: {TEXT}")
                parent = app.conversations.add(chat.id, parent, said).id
            page = AppTest.from_file(str(Path(dashboard.__file__).with_name("main.py")))
            page.query_params["c"] = chat.id
            page.run(timeout=60)
            if page.exception:
                raise RuntimeError(page.exception[0].value)
            shown = len(page.chat_message)
            for _ in range(setting.rounds * 2):
                begun = time.perf_counter()
                page.run(timeout=60)
                figures.append(1000 * (time.perf_counter() - begun))
    return [
        Result(
            f"One rerun of the Chat page with {MESSAGES} messages",
            statistics.median(figures),
            "ms",
            150,
            "at most",
            f"{spread(figures, 'ms')}, Streamlit's test harness included; the last {shown} "
            "messages drawn",
        )
    ]
