"""A Jackfield with the knowledge plugin and a small embedding model, for tests."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jackfield import Document, Section
from jackfield.application import Application
from jackfield.paths import Paths
from jackfield.testing.fake import FakePlugin, fake_model
from jackfield_plugins.knowledge import Knowledge
from jackfield_plugins.knowledge.jobs import Job
from jackfield_plugins.knowledge.library import Library
from jackfield_plugins.knowledge.records import Asked, Hit
from word_embedder import WordPlugin, word_model

PATIENCE = 30.0
TEXTS = {
    "bread.md": "# Bread\n\n## Dough\n\nFlour, water, salt and yeast are kneaded into a dough.\n\n"
    "## Oven\n\nThe loaf bakes for forty minutes at 220 degrees.\n",
    "boats.txt": "The harbour master checks each vessel and its papers at dawn.\n",
    "bees.md": "# Bees\n\nA queen lays two thousand eggs on a summer day.\n",
}
PAGES = {"https://example.org/moon": "The moon has no air, and its days last two weeks."}


def fetch(url: str) -> Document:
    return Document(title="The moon", sections=(Section(text=PAGES[url], heading="Facts"),))


class TestedKnowledge(Knowledge):
    """The plugin, with web pages that are not fetched."""

    __test__ = False

    def _fetch(self, url: str) -> Document:
        return fetch(url)


class Bench:
    def __init__(self, app: Application) -> None:
        self.app = app

    @property
    def plugin(self) -> Knowledge:
        found = self.app.plugins.plugin("knowledge")
        assert isinstance(found, Knowledge)
        return found

    @property
    def library(self) -> Library:
        return self.plugin.library()

    def create(self, name: str = "notes", model: str = "small", tokens: int = 40) -> None:
        self.library.create(name, model, chunk_tokens=tokens, overlap=0)

    def add(self, path: Path, name: str = "notes") -> Job:
        return ended(self.library.path(name, path, watch=False))

    def search(self, query: str, name: str = "notes", **asked: object) -> list[Hit]:
        return list(self.library.search([name], Asked(query=query, **asked)).hits)  # type: ignore

    def titles(self, name: str = "notes") -> list[str]:
        catalogue = self.library.catalogue
        return [
            one.uri.rpartition("/")[2] for one in catalogue.documents(catalogue.collection(name))
        ]


def ended(job: Job) -> Job:
    assert job.wait(PATIENCE), job.described()
    return job


def until(fact: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < end, "it never became so"
        time.sleep(0.05)


def write_texts(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder


@contextmanager
def running(home: Path, **config: object) -> Iterator[Bench]:
    app = Application(Paths(home), entry_points=[])
    app.paths.make()
    if not (app.paths.models / "fake-model.fake").exists():
        word_model(app.paths.models, "small")
        fake_model(app.paths.models, "fake-model", replies=["echo"])
    app.plugins.register("words", WordPlugin)
    app.plugins.register("fake", FakePlugin)
    app.plugins.register("knowledge", TestedKnowledge, config=config)
    with app.in_thread():
        yield Bench(app)
