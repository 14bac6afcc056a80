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

from jackfield.errors import InvalidRequest
from jackfield.logits import Processing
from jackfield.machine import Machine, MemoryEstimate
from jackfield.messages import Alternative, FinishReason, MediaPart, Message, ToolCallPart
from jackfield.sampling import SamplingParams
from jackfield.vectors import Embeddings, Ranking


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
        capabilities: what the model will be able to do (see :class:`ModelInfo`), where its files
            tell; empty where that is known only once it is loaded.
    """

    score: int
    reason: str
    capabilities: frozenset[str] = frozenset()


class LoadOptions(BaseModel):
    """Base of a loader's options; each field has a default, bounds and a description.

    A secret is a ``SecretStr``: it is revealed to the worker alone and masked wherever options
    are shown.
    """

    model_config = ConfigDict(extra="forbid")


class Settled(msgspec.Struct, frozen=True):
    """Load options with each automatic value replaced by a real one.

    Attributes:
        reasons: why they were chosen, in sentences that the user reads.
    """

    options: LoadOptions
    reasons: tuple[str, ...] = ()


class Environment(msgspec.Struct, frozen=True):
    """An interpreter of its own for a loader whose back-end clashes with others.

    Attributes:
        requirements: what pip installs in it, e.g. ``("transformers==4.46.3",)``.
    """

    requirements: tuple[str, ...]


class ListedModel(msgspec.Struct, frozen=True):
    """A model that a loader knows of without a file on this computer.

    Attributes:
        name: what it is asked for by, e.g. ``myserver/llama3``.
        error: why it cannot be used now, "" if it can.
    """

    name: str
    files: ModelFiles
    architecture: str = ""
    context_length: int = 0
    license: str = ""
    error: str = ""


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
        capabilities: of ``completion``, ``chat``, ``embedding``, ``rerank``, ``vision``,
            ``audio``, ``lora``, ``logits_processors``.
        sampling_fields: names of the SamplingParams fields that really take effect.
        parallel: how many requests run at once; more wait in the host's queue.
        embedding_dimensions: length of its vectors, 0 if it makes none.
        renders: it makes the prompt itself and wants the messages, as remote servers do.
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
    embedding_dimensions: int = 0
    renders: bool = False


class Prompt(msgspec.Struct, frozen=True):
    """A rendered prompt. Special tokens in ``text`` are parsed; ``media`` follow in order.

    ``messages``, ``tools`` and ``tool_choice`` are there in a chat with a model whose
    ``info.renders`` says that it wants them: tools as OpenAI's API has them, and whether it may
    call one (``auto``), must (``required``), or the name of the one that it must.
    """

    text: str
    media: tuple[MediaPart, ...] = ()
    messages: tuple[Message, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str = "auto"


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
        tool_calls: on the last Token, what a model calls that was given tools with its messages.
    """

    text: str
    id: int | None = None
    logprob: float | None = None
    top: tuple[Alternative, ...] = ()
    finish: FinishReason | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    tool_calls: tuple[ToolCallPart, ...] = ()


class Adapter(msgspec.Struct, frozen=True):
    """A LoRA adapter on disk and how strongly it is applied."""

    path: Path
    scale: float = 1.0


class LoadedModel(ABC):
    """A model in memory, inside its worker.

    ``complete``, ``embed`` and ``rerank`` are called from several threads at once, together up to
    ``info.parallel``. A model implements those that its ``info.capabilities`` name.
    """

    info: ModelInfo

    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        """Generate a reply.

        Closing the iterator cancels the request and frees what it holds.

        Raises:
            PromptTooLong: the prompt alone fills the context.
            InvalidRequest: a value the engine refuses, e.g. a grammar that does not parse.
            LoaderError: the engine failed on this request.
        """
        raise InvalidRequest("This model does not generate text.")

    def complete_processed(
        self, prompt: Prompt, params: SamplingParams, processors: Sequence[Processing]
    ) -> Iterator[Token]:
        """Generate as ``complete`` does, the scores of each token changed by plugins first.

        For models whose capabilities name ``logits_processors``.

        Args:
            processors: called one after the other at each step with the token ids of prompt and
                reply so far, and the scores: a numpy array of float32 and of shape
                ``(vocabulary,)``, which they may change; they return the scores to go on with.
                They belong to this request alone, and raise nothing.
        """
        raise InvalidRequest("This model runs no logits processors.")

    def embed(self, texts: Sequence[str], *, dimensions: int = 0) -> Embeddings:
        """A vector for each text.

        Args:
            dimensions: shorten the vectors to so many numbers, of length 1 again; 0: as they are.

        Raises:
            PromptTooLong: a text is longer than the model reads.
            InvalidRequest: more dimensions than it has.
        """
        raise InvalidRequest("This model does not make embeddings.")

    def rerank(self, query: str, documents: Sequence[str]) -> Ranking:
        """How well each document answers the query.

        Raises:
            PromptTooLong: a pair is longer than the model reads.
        """
        raise InvalidRequest("This model does not rank documents.")

    def set_adapters(self, adapters: Sequence[Adapter]) -> None:
        """Apply these LoRA adapters and no others, from the next request on, without a reload.

        Raises:
            ModelFileError: one is broken, or was made for another model.
        """
        raise InvalidRequest("This model does not take LoRA adapters.")

    @abstractmethod
    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids of ``text``; ``special`` parses special tokens. Adds no BOS token."""

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids; special tokens are written out."""
        raise InvalidRequest("This model does not turn tokens back into text.")

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
        folders: formats of model folders that it opens, e.g. ``("safetensors",)``; the catalog
            lists folders of these formats.
        extra: what to ``pip install`` for the back-end, for the error that names it.
        environment: where its workers run, if not in the interpreter that runs Jackfield. The
            module of the loader itself must be importable in both.
    """

    name: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]] = ()
    folders: ClassVar[tuple[str, ...]] = ()
    Options: ClassVar[type[LoadOptions]] = LoadOptions
    extra: ClassVar[str] = ""
    environment: ClassVar[Environment | None] = None

    def listed(self) -> Sequence[ListedModel]:
        """Models that are no files on this computer. Asked often: answers at once."""
        return ()

    def sample(self, folder: Path) -> Path | None:
        """Make a small model in ``folder``, for the conformance suite; None if it cannot."""
        return None

    @abstractmethod
    def probe(self, files: ModelFiles) -> Match | None:
        """Whether this loader can open the model, how well and why. Reads little or nothing."""

    def settle(self, files: ModelFiles, options: Any, machine: Machine) -> Settled:
        """Replace automatic values (device, data type, layers, threads) by real ones, with reasons.

        Runs in the host before ``estimate``. Settling settled options changes nothing.
        """
        return Settled(options)

    @abstractmethod
    def estimate(self, files: ModelFiles, options: Any) -> MemoryEstimate:
        """Memory the model will need with these settled options, before it is loaded."""

    @abstractmethod
    def load(self, files: ModelFiles, options: Any) -> LoadedModel:
        """Load the model. Runs in the worker.

        Raises:
            ModelFileError: the file is broken.
            LoadFailed: the engine could not load it, or is not installed.
        """
