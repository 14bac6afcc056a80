"""A loader and a model that need no weights and do as they are told, crashes included.

For tests of plugins, of clients, and of what Jackfield does when a model misbehaves::

    fake_model(paths.models, "parrot", replies=["echo"], delay=0.01)
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import Field

from jackfield.errors import ModelFileError, PromptTooLong
from jackfield.loader import (
    Adapter,
    LoadedModel,
    Loader,
    LoadOptions,
    Match,
    ModelFiles,
    ModelInfo,
    Prompt,
    Token,
)
from jackfield.logits import Processing
from jackfield.machine import MemoryEstimate
from jackfield.plugin import Plugin, hookimpl
from jackfield.sampling import SamplingParams
from jackfield.testing import fake_text
from jackfield.testing.fake_adapters import said
from jackfield.testing.fake_scores import processed

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_USER = "<|im_start|>user\n"
_ASSISTANT = "<|im_start|>assistant\n"
_END = "<|im_end|>"
_LONG = 86_400  # seconds
_ENOUGH = 16_000_000_000  # bytes: a model that eats memory stops here if nobody stopped it
_FIELDS = (
    "temperature",
    "max_tokens",
    "stop",
    "seed",
    "top_p",
    "top_k",
    "logprobs",
    "frequency_penalty",
    "presence_penalty",
)


class Behaviour(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a fake model does; the content of its file.

    Attributes:
        replies: what it answers, in turn. ``echo`` is the user's last message (the whole prompt if
            that is not ChatML), ``prompt`` the whole prompt. A seed picks one; temperature 0,
            top_k 1 and top_p 0 take the first. Text that the prompt has already begun after
            ``<|im_start|>assistant`` is not said again.
        delay: seconds before each token.
        load_delay: seconds that loading takes.
        memory: bytes it holds, all of them at the end of loading.
        on_gpu: bytes that it says it needs on ``cuda:0``; it takes none.
        parallel: requests at once.
        lora: whether it takes adapters that :func:`~jackfield.testing.fake_adapter` made.
        processors: whether plugins may change the scores of its tokens, then of two bytes.
        context_length: tokens.
        chat_template: Jinja; the default is ChatML.
        prints: what it prints behind Python's back when loaded and at each request.
        crash_on_load: how loading fails: ``segfault``, ``exit``, ``raise``, ``memory`` (eats all it
            can get), ``hang``, or ``freeze`` (hangs in native code and holds the GIL).
        crash_after_tokens: the process dies after so many tokens of a reply, -1 for never.
        raise_after_tokens: the request fails after so many tokens, -1 for never.
    """

    replies: list[str] = msgspec.field(default_factory=lambda: ["echo"])
    delay: float = 0.0
    load_delay: float = 0.0
    memory: int = 0
    on_gpu: int = 0
    parallel: int = 4
    lora: bool = False
    processors: bool = False
    context_length: int = 4096
    chat_template: str = CHATML
    prints: str = ""
    crash_on_load: Literal["", "segfault", "exit", "raise", "memory", "hang", "freeze"] = ""
    crash_after_tokens: int = -1
    raise_after_tokens: int = -1


def fake_model(folder: Path, name: str, **behaviour: Any) -> Path:
    """Write a fake model, ``<name>.fake``, and return its path.

    Args:
        folder: where, for example ``paths.models``.
        name: what the model is called.
        behaviour: fields of :class:`Behaviour`.

    Raises:
        msgspec.ValidationError: there is no such behaviour.
    """
    checked = msgspec.convert(behaviour, Behaviour)
    path = folder / f"{name}.fake"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(checked)))
    return path


class FakeOptions(LoadOptions):
    """Load options of a fake model."""

    n_ctx: int = Field(
        0, ge=0, le=1_000_000, description="Context length in tokens; 0: as the file says"
    )
    answer: Literal["as written", "upper case"] = Field(
        "as written", description="How the replies are spelled"
    )


class FakeReply(Iterator[Token]):
    """A reply's tokens. ``close`` may be called from any thread, also while one is awaited."""

    def __init__(self, tokens: Iterator[Token], closed: threading.Event) -> None:
        self._tokens = tokens
        self._closed = closed

    def __next__(self) -> Token:
        return next(self._tokens)

    def close(self) -> None:
        """End the reply; its iterator stops at once."""
        self._closed.set()


class FakeModel(LoadedModel):
    """A model that answers from its file."""

    def __init__(self, behaviour: Behaviour, options: FakeOptions) -> None:
        self._behaviour = behaviour
        self._upper = options.answer == "upper case"
        self._turns = itertools.count()
        self._memory = _held(behaviour.memory)
        self._previous: list[int] = []
        self._opening = ""
        self._longest = 2 if behaviour.processors else 6
        can = {"completion", "chat"} | ({"lora"} if behaviour.lora else set())
        can |= {"logits_processors"} if behaviour.processors else set()
        self.info = ModelInfo(
            architecture="fake",
            context_length=options.n_ctx or behaviour.context_length,
            trained_context=behaviour.context_length,
            vocabulary=fake_text.vocabulary(self._longest),
            chat_template=behaviour.chat_template,
            eos=_END,
            capabilities=frozenset(can),
            sampling_fields=frozenset(_FIELDS),
            parallel=behaviour.parallel,
        )

    def complete(self, prompt: Prompt, params: SamplingParams) -> FakeReply:
        """Say the next reply."""
        return self.complete_processed(prompt, params, ())

    def complete_processed(
        self, prompt: Prompt, params: SamplingParams, processors: Sequence[Processing]
    ) -> FakeReply:
        """Say the next reply as the processors let it through."""
        _print(self._behaviour.prints)
        closed = threading.Event()
        ids = self.tokenize(prompt.text)
        if len(ids) >= self.info.context_length:
            raise PromptTooLong(
                f"The prompt has {len(ids)} tokens and the context holds "
                f"{self.info.context_length}.",
                hint="Shorten the prompt, or load the model with a larger n_ctx.",
                tokens=len(ids),
                limit=self.info.context_length,
            )
        same = (one == other for one, other in zip(self._previous, ids, strict=False))
        cached = sum(itertools.takewhile(bool, same))
        self._previous = ids
        reply = self.tokenize(self._choose(prompt.text, params), special=False)
        spoken = processed(reply, ids, processors, self.info.vocabulary)
        return FakeReply(self._tokens(spoken, ids, cached, params, closed), closed)

    def set_adapters(self, adapters: Sequence[Adapter]) -> None:
        """Begin replies with what the adapters say."""
        self._opening = said(adapters)

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Ids of pieces of words."""
        return fake_text.tokenize(text, special=special, longest=self._longest)

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of ids."""
        return fake_text.detokenize(tokens)

    def _choose(self, prompt: str, params: SamplingParams) -> str:
        """The reply's text, less what the prompt already begins it with."""
        replies = self._behaviour.replies
        greedy = params.temperature == 0 or params.top_k == 1 or params.top_p == 0
        if greedy:
            reply = replies[0]
        else:
            turn = next(self._turns) if params.seed is None else params.seed
            reply = replies[turn % len(replies)]
        if reply == "prompt":
            reply = prompt
        elif reply == "echo":
            asked = prompt.rpartition(_USER)[2].partition(_END)[0]
            reply = asked or prompt
        reply = self._opening + reply
        if self._upper:
            reply = reply.upper()
        begun = prompt.rpartition(_ASSISTANT)[2] if _ASSISTANT in prompt else ""
        return reply.removeprefix(begun)

    def _tokens(
        self,
        reply: Iterator[int],
        prompt: list[int],
        cached: int,
        params: SamplingParams,
        closed: threading.Event,
    ) -> Iterator[Token]:
        room = self.info.context_length - len(prompt)
        limit = min(room, params.max_tokens or room)
        writer = _Writer(params)
        finish: Literal["stop", "length"] = "stop"
        done = 0
        for id_ in _penalized(reply, params):
            if done == limit:
                finish = "length"
                break
            if closed.wait(self._behaviour.delay) if self._behaviour.delay else closed.is_set():
                return
            self._misbehave(done)
            done += 1
            token = writer.token(id_)
            if writer.stopped:
                break
            yield token
        yield Token(
            writer.rest(),
            finish=finish,
            prompt_tokens=len(prompt),
            cached_tokens=cached,
            completion_tokens=done,
        )

    def _misbehave(self, done: int) -> None:
        if done == self._behaviour.crash_after_tokens:
            ctypes.string_at(0)
        if done == self._behaviour.raise_after_tokens:
            raise RuntimeError(f"told to fail after {done} tokens")


class _Writer:
    """Turns ids into tokens, holding back what may be the beginning of a stop text."""

    def __init__(self, params: SamplingParams) -> None:
        self._stops = [stop for stop in params.stop if stop]
        self._logprobs = params.logprobs
        self._held = ""
        self.stopped = False

    def token(self, id_: int) -> Token:
        """The token of an id, with the text that is certain by now."""
        text = self._held + fake_text.token_text(id_)
        cuts = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if cuts:
            self.stopped = True
            self._held = text[: min(cuts)]
            return Token("", id_)
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        text, self._held = text[: len(text) - keep], text[len(text) - keep :]
        if self._logprobs is None:
            return Token(text, id_)
        logprob, top = fake_text.probabilities(id_, self._logprobs)
        return Token(text, id_, logprob, top)

    def rest(self) -> str:
        """What was held back and is not part of a stop text."""
        return self._held


def _overlap(text: str, stop: str) -> int:
    """How many of the last characters of ``text`` may begin ``stop``."""
    sizes = range(min(len(text), len(stop) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(stop[:size])), 0)


def _penalized(reply: Iterator[int], params: SamplingParams) -> Iterator[int]:
    """The ids without those whose repetition the penalties forbid, at a penalty above 1."""
    frequency, presence = params.frequency_penalty, params.presence_penalty
    used: dict[int, int] = {}
    for id_ in reply:
        times = used.get(id_, 0)
        if times and times * frequency + presence > 1:
            continue
        used[id_] = times + 1
        yield id_


class FakeLoader(Loader):
    """Opens ``.fake`` files, which :func:`fake_model` writes."""

    name = "fake"
    extensions = ("fake",)
    Options = FakeOptions

    def probe(self, files: ModelFiles) -> Match | None:
        """Any ``.fake`` file."""
        return Match(100, "a fake model") if files.format == "fake" else None

    def sample(self, folder: Path) -> Path:
        """A model that goes on for a while."""
        words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
        replies = [" ".join((words[at:] + words[:at]) * 40) for at in range(len(words))]
        return fake_model(folder, "sample", replies=replies, context_length=256, lora=True)

    def estimate(self, files: ModelFiles, options: FakeOptions) -> MemoryEstimate:
        """What the file says it will hold, a kilobyte a token of context, and an interpreter."""
        behaviour = _read(files.path)
        context = options.n_ctx or behaviour.context_length
        there = MemoryEstimate(behaviour.on_gpu, 0, 0, "cuda:0")
        elsewhere = (there,) if behaviour.on_gpu else ()
        return MemoryEstimate(behaviour.memory, context * 1000, 40_000_000, elsewhere=elsewhere)

    def load(self, files: ModelFiles, options: FakeOptions) -> FakeModel:
        """Load, or fail as told."""
        behaviour = _read(files.path)
        _print(behaviour.prints)
        time.sleep(behaviour.load_delay)
        match behaviour.crash_on_load:
            case "segfault":
                ctypes.string_at(0)
            case "exit":
                os._exit(3)
            case "raise":
                raise RuntimeError("told to fail")
            case "memory":
                _held(_ENOUGH, pause=0.01)
                raise MemoryError
            case "hang":
                threading.Event().wait()
            case "freeze":
                ctypes.PyDLL(None).sleep(_LONG)
        return FakeModel(behaviour, options)


class FakePlugin(Plugin):
    """Opens fake models, for tests."""

    @hookimpl
    def jackfield_loaders(self) -> list[type[Loader]]:
        """The fake loader."""
        return [FakeLoader]


def _read(path: Path) -> Behaviour:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Behaviour)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelFileError(
            f"The fake model {str(path)!r} cannot be read: {error}.",
            hint="Write it with jackfield.testing.fake_model.",
        ) from error


def _held(size: int, *, pause: float = 0.0) -> list[bytearray]:
    """Memory that is really taken, in pieces of 16 MB."""
    pieces = []
    for start in range(0, size, 1 << 24):
        piece = bytearray(min(1 << 24, size - start))
        piece[::4096] = bytes([1]) * len(piece[::4096])
        pieces.append(piece)
        time.sleep(pause)
    return pieces


def _print(text: str) -> None:
    """Print as a native library does: straight to descriptor 1, with no word to Python."""
    if text:
        sys.stdout.flush()
        os.write(1, f"{text}\n".encode())
