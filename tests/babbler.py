"""A model that claims all there is and keeps to it, small enough to be spoiled in many ways.

It repeats its prompt, byte by byte, with a distribution of its own around each byte.
"""

import hashlib
import json
import math
import random
import re
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jackfield import (
    Adapter,
    Alternative,
    Embeddings,
    Field,
    InvalidRequest,
    LoadedModel,
    Loader,
    LoadOptions,
    Machine,
    Match,
    MemoryEstimate,
    ModelFileError,
    ModelFiles,
    ModelInfo,
    Plugin,
    Prompt,
    PromptTooLong,
    Ranking,
    SamplingParams,
    Settled,
    Token,
    hookimpl,
)

END = "<|end|>"
END_ID = 256
DIMENSIONS = 64
FIELDS = ("max_tokens", "stop", "temperature", "seed", "logprobs", "grammar")
TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}" + END + "{% endfor %}"
)


class Options(LoadOptions):
    threads: int = Field(0, ge=0, le=64, description="Threads; 0: as many as there are cores")
    normalize: bool = Field(True, description="Vectors of length 1")


class Reply(Iterator[Token]):
    """Tokens of a generator that may be closed from any thread."""

    def __init__(self, tokens: Iterator[Token], model: "Babbler") -> None:
        self._tokens = tokens
        self._model = model
        self._closed = threading.Event()
        self._taken = False

    def __next__(self) -> Token:
        if not self._taken:
            self._model.slots.acquire()
            self._taken = True
        if self._closed.is_set():
            raise StopIteration
        try:
            token = next(self._tokens)
        except BaseException:
            self.close()
            raise
        if token.finish is not None:
            self._give_back()
        return token

    def close(self) -> None:
        self._closed.set()
        self._give_back()

    def _give_back(self) -> None:
        if self._taken:
            self._taken = False
            self._model.slots.release()


CAPABILITIES = ("completion", "chat", "embedding", "rerank", "lora", "logits_processors")


class Babbler(LoadedModel):
    """Each part of what it does is a method, so that it can be spoiled alone."""

    def __init__(self, files: ModelFiles, options: Options) -> None:
        self.slots = threading.Semaphore(2)
        self.options = options
        self.adapters: list[Adapter] = []
        self.info = ModelInfo(
            architecture="babbler",
            context_length=200,
            vocabulary=257,
            chat_template=TEMPLATE,
            eos=END,
            capabilities=frozenset(CAPABILITIES),
            sampling_fields=frozenset(FIELDS),
            parallel=2,
            embedding_dimensions=DIMENSIONS,
        )

    # Text

    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        return self.complete_processed(prompt, params, ())

    def complete_processed(
        self, prompt: Prompt, params: SamplingParams, processors: Sequence[Any]
    ) -> Iterator[Token]:
        ids = self.tokenize(prompt.text)
        if len(ids) >= self.info.context_length:
            raise self.too_long(len(ids))
        return Reply(self.tokens(ids, params, processors), self)

    def too_long(self, count: int) -> PromptTooLong:
        limit = self.info.context_length
        return PromptTooLong(f"{count} of {limit} tokens.", tokens=count, limit=limit)

    def tokens(
        self, ids: list[int], params: SamplingParams, processors: Sequence[Any] = ()
    ) -> Iterator[Token]:
        prompt, room = len(ids), self.info.context_length - len(ids)
        limit, finish = min(params.max_tokens or room, room), "length"
        writer, chance = Writer(params.stop), random.Random(params.seed)
        wanted = self.wanted(params.grammar) if params.grammar else None
        done = 0
        while done < limit:
            if wanted is not None and done == len(wanted):
                finish = "stop"
                break
            target = wanted[done] if wanted is not None else self.target(ids[:prompt], done)
            ranked = self.processed(self.ranked(target, done), ids, processors)
            id_, logprob = self.choose(ranked, params, chance) if wanted is None else ranked[0]
            done += 1
            ids = [*ids, id_]
            text = writer.add(self.bytes_of(id_))
            if writer.stopped:
                finish = "stop"
                yield Token(text, id_)
                break
            top = self.top(ranked, params.logprobs) if params.logprobs is not None else ()
            yield Token(text, id_, logprob if params.logprobs is not None else None, top)
        yield self.last(writer.rest(), finish, prompt, done)

    def last(self, text: str, finish: str, prompt: int, done: int) -> Token:
        return Token(text, finish=finish, prompt_tokens=prompt, completion_tokens=done)

    def wanted(self, grammar: str) -> list[int]:
        found = re.fullmatch(r'root ::= "([^"]*)"( \| "[^"]*")*', grammar)
        if found is None:
            raise InvalidRequest(f"The grammar {grammar!r} does not parse.", param="grammar")
        return list(found[1].encode())

    def target(self, ids: list[int], at: int) -> int:
        """The likeliest byte: the prompt's, in capitals with an adapter."""
        byte = ids[at % len(ids)]
        return byte - 32 if self.adapters and chr(byte).islower() and byte < 128 else byte

    def ranked(self, target: int, at: int) -> list[tuple[int, float]]:
        """Ids with log probabilities, the likeliest first."""
        letters = list(range(97, 123))
        random.Random(target * 1000 + at).shuffle(letters)
        others = [one for one in letters if one != target]
        chances = [0.4 * 2.0 ** -(rank + 1) for rank in range(len(others))]
        rest = [(one, math.log(chance)) for one, chance in zip(others, chances, strict=True)]
        return [(target, math.log(0.6)), *rest]

    def processed(
        self, ranked: list[tuple[int, float]], ids: list[int], processors: Sequence[Any]
    ) -> list[tuple[int, float]]:
        """The same after plugins have changed the scores."""
        if not processors:
            return ranked
        scores = np.full(self.info.vocabulary, -100.0, np.float32)
        scores[[one for one, _ in ranked]] = [logprob for _, logprob in ranked]
        for processor in processors:
            scores = processor(ids, scores)
        return sorted(enumerate(scores.tolist()), key=lambda one: -one[1])[: len(ranked)]

    def choose(
        self, ranked: list[tuple[int, float]], params: SamplingParams, chance: random.Random
    ) -> tuple[int, float]:
        if params.temperature == 0:
            return ranked[0]
        weights = [math.exp(logprob / params.temperature) for _, logprob in ranked]
        return chance.choices(ranked, weights)[0]

    def top(self, ranked: list[tuple[int, float]], wanted: int) -> tuple[Alternative, ...]:
        return tuple(Alternative(chr(one), one, logprob) for one, logprob in ranked[:wanted])

    # Tokens

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        ids: list[int] = []
        for piece in re.split(f"({re.escape(END)})", text) if special else [text]:
            ids += [END_ID] if special and piece == END else piece.encode()
        return ids

    def detokenize(self, tokens: Sequence[int]) -> str:
        return b"".join(self.bytes_of(one) for one in tokens).decode(errors="replace")

    def bytes_of(self, id_: int) -> bytes:
        return END.encode() if id_ == END_ID else bytes([id_])

    # Vectors

    def embed(self, texts: Sequence[str], *, dimensions: int = 0) -> Embeddings:
        if dimensions > DIMENSIONS:
            raise InvalidRequest(f"It has {DIMENSIONS} dimensions.", param="dimensions")
        for text in texts:
            if self.count(text) > self.info.context_length:
                raise self.too_long(self.count(text))
        rows = [self.vector(one)[: dimensions or None] for one in texts]
        return Embeddings.of([unit(row) for row in rows] if dimensions else rows)

    def vector(self, text: str, width: int = DIMENSIONS) -> list[float]:
        """How often each word comes, at a place that its hash says."""
        row = [0.0] * width
        for word in re.findall(r"\w+", text.lower()):
            row[zlib.crc32(word.encode()) % width] += 1
        return unit(row)

    def rerank(self, query: str, documents: Sequence[str]) -> Ranking:
        asked = set(re.findall(r"\w+", query.lower()))
        scores = [len(asked & set(re.findall(r"\w+", one.lower()))) for one in documents]
        return Ranking(tuple(map(float, scores)))

    def set_adapters(self, adapters: Sequence[Adapter]) -> None:
        for one in adapters:
            if not (one.path / "adapter.json").is_file():
                raise ModelFileError(f"{str(one.path)!r} is no adapter.")
        self.adapters = list(adapters)


def unit(row: list[float]) -> list[float]:
    length = math.hypot(*row) or 1.0
    return [one / length for one in row]


class Writer:
    """Whole characters, and nothing of a stop string."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops = stops
        self.held = b""
        self.stopped = False

    def add(self, more: bytes) -> str:
        self.held += more
        text = self.held.decode(errors="ignore")
        cuts = [at for stop in self.stops if (at := text.find(stop)) >= 0]
        if cuts:
            self.stopped, self.held = True, b""
            return text[: min(cuts)]
        kept = max((overlap(text, stop) for stop in self.stops), default=0)
        certain = text[: len(text) - kept]
        self.held = self.held[len(certain.encode()) :]
        return certain

    def rest(self) -> str:
        return self.held.decode(errors="ignore")


def overlap(text: str, stop: str) -> int:
    return next((n for n in range(len(stop) - 1, 0, -1) if text.endswith(stop[:n])), 0)


class BabblerLoader(Loader):
    name = "babbler"
    extensions = ("babble",)
    Options = Options
    Model = Babbler

    def sample(self, folder: Path) -> Path:
        path = folder / "small.babble"
        weights = "x" * 100_000
        path.write_text(
            json.dumps({"weights": weights, "sha": hashlib.sha256(weights.encode()).hexdigest()})
        )
        return path

    def probe(self, files: ModelFiles) -> Match | None:
        return Match(100, "a babbler") if files.format == "babble" else None

    def settle(self, files: ModelFiles, options: Options, machine: Machine) -> Settled:
        if options.threads:
            return Settled(options)
        chosen = options.model_copy(update={"threads": machine.cores})
        return Settled(chosen, ("One thread for each core.",))

    def estimate(self, files: ModelFiles, options: Options) -> MemoryEstimate:
        return MemoryEstimate(files.size, 0, 1_000_000)

    def load(self, files: ModelFiles, options: Options) -> LoadedModel:
        try:
            json.loads(files.path.read_text())
        except ValueError as error:
            raise ModelFileError(f"{files.path.name!r} is broken.") from error
        return self.Model(files, options)


class BabblerPlugin(Plugin):
    """Opens files that end in .babble."""

    @hookimpl
    def jackfield_loaders(self) -> list[type[Loader]]:
        return [BabblerLoader]
