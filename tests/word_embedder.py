"""Models that embed and rank by words alone, quick enough for the tests of collections.

Their files are JSON: ``dimensions``, ``seed`` (another makes another model) and ``delay`` (seconds
that each request for vectors takes).
"""

import json
import math
import re
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

from jackfield import (
    Embeddings,
    LoadedModel,
    Loader,
    LoadOptions,
    Match,
    MemoryEstimate,
    ModelFiles,
    ModelInfo,
    Plugin,
    Prompt,
    PromptTooLong,
    Ranking,
    SamplingParams,
    hookimpl,
)

LIMIT = 64
CAN = frozenset({"embedding", "rerank"})


def word_model(folder: Path, name: str, dimensions: int = 256, **more: float) -> Path:
    path = folder / f"{name}.words"
    path.write_text(json.dumps({"dimensions": dimensions, **more}))
    return path


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


class WordModel(LoadedModel):
    def __init__(self, about: dict[str, float]) -> None:
        self.width = int(about["dimensions"])
        self.seed = int(about.get("seed", 0))
        self.delay = about.get("delay", 0.0)
        self.info = ModelInfo(
            context_length=LIMIT,
            capabilities=CAN,
            embedding_dimensions=self.width,
            parallel=2,
        )

    def complete(self, prompt: Prompt, params: SamplingParams) -> object:
        raise NotImplementedError

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        return [zlib.crc32(word.encode()) for word in words(text)]

    def embed(self, texts: Sequence[str], *, dimensions: int = 0) -> Embeddings:
        time.sleep(self.delay)
        for text in texts:
            if self.count(text) > LIMIT:
                raise PromptTooLong(f"{self.count(text)} tokens of {LIMIT}.")
        return Embeddings.of([self.vector(text) for text in texts])

    def vector(self, text: str) -> list[float]:
        row = [1e-6] * self.width
        for word in words(text):
            row[zlib.crc32(f"{self.seed}{word}".encode()) % self.width] += 1
        length = math.hypot(*row)
        return [one / length for one in row]

    def rerank(self, query: str, documents: Sequence[str]) -> Ranking:
        asked = set(words(query))
        return Ranking(tuple(float(len(asked & set(words(one)))) for one in documents))


class WordLoader(Loader):
    name = "words"
    extensions = ("words",)
    Options = LoadOptions

    def probe(self, files: ModelFiles) -> Match | None:
        return Match(100, "words", capabilities=CAN) if files.format == "words" else None

    def estimate(self, files: ModelFiles, options: LoadOptions) -> MemoryEstimate:
        return MemoryEstimate(files.size, 0, 1_000_000)

    def load(self, files: ModelFiles, options: LoadOptions) -> LoadedModel:
        return WordModel(json.loads(files.path.read_text()))


class WordPlugin(Plugin):
    """Opens files that end in .words."""

    @hookimpl
    def jackfield_loaders(self) -> list[type[Loader]]:
        return [WordLoader]
