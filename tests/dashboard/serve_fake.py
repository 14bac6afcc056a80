"""Serves a data folder with fake models, and with plugins that the tests look at.

``python serve_fake.py HOME`` prints the address and serves until it is ended.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from jackfield import Offer, Page, Plugin, hookimpl
from jackfield.application import Application
from jackfield.catalog.source import ModelSource
from jackfield.paths import Paths
from jackfield.server import serve
from jackfield.testing import FakePlugin, fake_model


class SlowSource(ModelSource):
    """Offers a starter model that takes a moment to arrive."""

    name: ClassVar[str] = "slow"
    title: ClassVar[str] = "A slow source"

    def offers(self) -> Sequence[Offer]:
        return [Offer(name="smollm2", title="A small model", description="It echoes.", size=1000)]

    def fetch(
        self,
        offer: Offer,
        folder: Path,
        progress: Callable[[int, int, str], None],
        cancelled: Callable[[], bool],
    ) -> Path:
        for done in range(0, 1001, 100):
            progress(done, 1000, "downloading")
            time.sleep(0.15)
        return fake_model(folder, "model", replies=["echo"])


class Starter(Plugin):
    """Has the slow source."""

    @hookimpl
    def jackfield_model_sources(self) -> list[ModelSource]:
        return [SlowSource()]


class Broken(Plugin):
    """Has a page that cannot be drawn."""

    @hookimpl
    def jackfield_pages(self) -> list[Page]:
        def draw(app: Application) -> None:
            raise KeyError("the heart of the page")

        return [Page(title="Broken", url_path="broken", icon=":material/bug_report:", draw=draw)]


class Loud(Plugin):
    """Makes replies end with an exclamation mark."""

    @hookimpl
    def jackfield_transform_reply(self, reply: str) -> str:
        return reply if "loud" not in reply else reply + "!"


def main(home: Path) -> None:
    app = Application.create(Paths(home), entry_points=[])
    app.plugins.register("fake", FakePlugin)
    app.plugins.register("starter", Starter)
    app.plugins.register("broken", Broken)
    app.plugins.register("loud", Loud)
    serve(app, port=0, open_browser=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
