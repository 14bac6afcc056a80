"""What a model loader implements, and what it tells the host.

A :class:`Loader` is used in the host for ``probe`` and ``estimate``, which must be quick and must
not import the back-end; ``load`` runs in a worker process of the model's own, where the heavy
imports happen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from pydantic import BaseModel, ConfigDict

from jackfield.messages import Alternative, FinishReason, MediaPart
from jackfield.sampling import SamplingParams


class ModelFiles(msgspec.Struct, frozen=True):
    """A model on disk, as the catalog identified it.

    Attributes:
        path: the model's file, or its folder.
        format: ``gguf``, ``safetensors``, ... or ``unknown``.
        size: bytes of all weight files together.
        metadata: what the files say about themselves; for GGUF the scalar key-value pairs,
            e.g. ``general.architecture``, ``llama.context_length``, ``tokenizer.chat_template``.
    """

    path: Path
    format: str
    size: int
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class Match(msgspec.Struct, frozen=True):
    """A loader's answer that it can open a model.

    Attributes:
        score: 0 to 100; the highest is chosen, equals are asked about.
        reason: why, in words the user reads.
    """

    score: int
    reason: str


class MemoryEstimate(msgspec.Struct, frozen=True):
    """Bytes a loaded model will need."""

    weights: int
    kv_cache: int
    overhead: int
    device: str = "cpu"

    @property
    def total(self) -> int:
        """All of it, in bytes."""
        return self.weights + self.kv_cache + self.overhead


class LoadOptions(BaseModel):
    """Base of a loader's options; each field has a default, bounds and a description."""

    model_config = ConfigDict(extra="forbid")


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a loaded model can do.

    Attributes:
        architecture: e.g. ``llama``.
        context_length: tokens of prompt and reply together that one request may hold.
        trained_context: tokens it was trained for, 0 if unknown.
        vocabulary: number of tokens.
        chat_template: the model's own Jinja template, "" if it has none.
        bos, eos: texts of the special tokens, "" if there are none.
        adds_bos: the tokenizer itself puts ``bos`` before a prompt.
        capabilities: of ``completion``, ``chat``, ``embedding``, ``rerank``, ``vision``, ``audio``.
        sampling_fields: names of the SamplingParams fields that really take effect.
        parallel: how many requests run at once; more wait in the host's queue.
    """

    architecture: str = ""
    context_length: int
    trained_context: int = 0
    vocabulary: int = 0
    chat_template: str = ""
    bos: str = ""
    eos: str = ""
    adds_bos: bool = False
    capabilities: frozenset[str] = frozenset({"completion", "chat"})
    sampling_fields: frozenset[str] = frozenset()
    parallel: int = 1


class Prompt(msgspec.Struct, frozen=True):
    """A rendered prompt. Special tokens in ``text`` are parsed; ``media`` follow in order."""

    text: str
    media: tuple[MediaPart, ...] = ()


class Token(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of the reply.

    Usually one token. Where a character or a stop string spans tokens, the text comes when it is
    certain: an earlier Token then has empty text. Text never holds half a character.

    Attributes:
        text: what to append.
        id: the token's id, None where the engine does not say.
        logprob: natural logarithm of its probability, if asked for.
        top: alternatives, best first, if asked for.
        finish: set on the last Token only, which may have empty text: ``stop`` (end token or stop
            string, which is not part of the text) or ``length``.
        prompt_tokens: on the last Token, tokens of the prompt.
        cached_tokens: on the last Token, prompt tokens whose KV cache was reused.
        completion_tokens: on the last Token, tokens generated.
    """

    text: str
    id: int | None = None
    logprob: float | None = None
    top: tuple[Alternative, ...] = ()
    finish: FinishReason | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class LoadedModel(ABC):
    """A model in memory, inside its worker.

    ``complete`` is called from several threads at once, up to ``info.parallel``.
    """

    info: ModelInfo

    @abstractmethod
    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        """Generate a reply.

        Closing the iterator cancels the request and frees what it holds.

        Raises:
            PromptTooLong: the prompt alone fills the context.
            InvalidRequest: a value the engine refuses, e.g. a grammar that does not parse.
            LoaderError: the engine failed on this request.
        """

    @abstractmethod
    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids of ``text``; ``special`` parses special tokens. Adds no BOS token."""

    @abstractmethod
    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids; special tokens are written out."""

    def count(self, text: str) -> int:
        """How many tokens ``text`` is."""
        return len(self.tokenize(text))

    def close(self) -> None:  # noqa: B027 - most engines need nothing: the process ends
        """Give back what the end of the process would not."""


class Loader(ABC):
    """Opens models of some format with some engine.

    Attributes:
        name: lower-case, unique, e.g. ``gguf``.
        Options: the load options, a :class:`LoadOptions` subclass.
        extensions: endings of the files it opens, without the dot, e.g. ``("gguf",)``; the catalog
            lists files with these endings, and their format is the ending.
        extra: what to ``pip install`` for the back-end, for the error that names it.
    """

    name: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]] = ()
    Options: ClassVar[type[LoadOptions]] = LoadOptions
    extra: ClassVar[str] = ""

    @abstractmethod
    def probe(self, files: ModelFiles) -> Match | None:
        """Whether this loader can open the model, how well and why. Reads little or nothing."""

    @abstractmethod
    def estimate(self, files: ModelFiles, options: Any) -> MemoryEstimate:
        """Memory the model will need with these options, before it is loaded."""

    @abstractmethod
    def load(self, files: ModelFiles, options: Any) -> LoadedModel:
        """Load the model. Runs in the worker.

        Raises:
            ModelFileError: the file is broken.
            LoadFailed: the engine could not load it, or is not installed.
        """
