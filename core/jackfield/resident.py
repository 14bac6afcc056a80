"""A model in memory, or on its way there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from jackfield.errors import JackfieldError, LoadFailed
from jackfield.load_plan import LoadPlan
from jackfield.loader import Adapter, ModelInfo, Prompt, Token
from jackfield.sampling import SamplingParams
from jackfield.vectors import Embeddings, Ranking
from jackfield.worker.host import Worker
from jackfield.worker.reference import ProcessorReference

State = Literal["loading", "ready", "unloading", "failed"]


class Resident:
    """A model that is loading, ready, being unloaded, or that failed.

    Its plain values may be read from any thread; its methods belong to the engine's event loop.

    Attributes:
        model: the model's name.
        loader: the loader's name.
        options: all load options, secrets masked.
        memory_before_load: bytes that the server and its workers had when loading began.
        loaded_at: when it became ready (seconds since the epoch), 0 before.
        last_used: when its last use ended or began.
        load_seconds: how long loading took.
        error: why it failed, with what to do.
        log: the file with what its worker prints.
        users: how many have it in use at the moment.
        admitted: whether room in memory was given to it.
        forced: it is loaded though it is not expected to fit.
        adapters: LoRA adapters that are attached to it.
    """

    def __init__(self, plan: LoadPlan, log: Path, *, forced: bool = False) -> None:
        self.plan = plan
        self.model = plan.entry.name
        self.loader = plan.loader.name
        self.options: dict[str, Any] = plan.options.model_dump(mode="json")
        self.log = log
        self.state: State = "loading"
        self.memory_before_load = 0
        self.began = time.time()
        self.loaded_at = 0.0
        self.last_used = time.time()
        self.load_seconds = 0.0
        self.failure: JackfieldError | None = None
        self.users = 0
        self.admitted = False
        self.forced = forced
        self.adapters: tuple[Adapter, ...] = ()
        self.worker: Worker | None = None
        self.task: asyncio.Task[None] | None = None
        self.settled = asyncio.Event()
        self._attaching = asyncio.Lock()
        self.step = "waiting"

    @property
    def info(self) -> ModelInfo | None:
        """What the model can do; None until it is ready."""
        return self.worker.info if self.worker is not None else None

    @property
    def stage(self) -> str:
        """In words: ``waiting ...``, ``starting``, ``importing``, ``loading``, ``ready``..."""
        if self.state != "loading":
            return self.state
        return self.worker.stage if self.worker is not None else self.step

    @property
    def progress(self) -> float:
        """How far loading has got, 0 to 1."""
        return self.worker.watch.progress if self.worker is not None else 0.0

    @property
    def pid(self) -> int | None:
        """The worker's process id; None when there is no process."""
        alive = self.worker is not None and self.worker.pid and self.worker.death is None
        return self.worker.pid if self.worker is not None and alive else None

    @property
    def memory(self) -> int:
        """Resident bytes of the worker and its children."""
        return self.worker.watch.memory if self.worker is not None and self.pid else 0

    def committed_on(self, device: str) -> int:
        """Bytes of a device's memory that it has or is expected to take."""
        if not self.admitted:
            return 0
        need = self.plan.estimate.on(device)
        return max(self.memory, need) if device == "cpu" else need

    @property
    def active(self) -> int:
        """Requests it is answering."""
        return self.worker.active if self.worker is not None else 0

    @property
    def queued(self) -> int:
        """Requests that wait for it."""
        return self.worker.queued if self.worker is not None else 0

    @property
    def usable(self) -> bool:
        """Whether it is ready or on its way to it."""
        return self.state in ("loading", "ready")

    @property
    def busy(self) -> bool:
        """Whether anybody uses it or has asked it something."""
        return bool(self.users or self.active or self.queued)

    @property
    def error(self) -> str:
        """Why it failed, with what to do; "" if it did not."""
        return str(self.failure) if self.failure is not None else ""

    def complete(
        self,
        prompt: Prompt,
        params: SamplingParams,
        processors: tuple[ProcessorReference, ...] = (),
        fault: Callable[[str, str], None] | None = None,
    ) -> AsyncGenerator[Token, None]:
        """Generate; waits fairly for a slot. Closing the iterator cancels at once.

        Args:
            processors: what plugins do to the scores of each token.
            fault: told the plugin whose processor failed, and why.
        """
        return self._ready().complete(prompt, params, processors, fault)

    async def tokenize(self, text: str, special: bool = True) -> list[int]:
        """Token ids of ``text``; ``special`` parses special tokens. Adds no BOS token."""
        return await self._ready().tokenize(text, special=special)

    async def detokenize(self, tokens: list[int]) -> str:
        """The text of token ids; special tokens are written out."""
        return await self._ready().detokenize(tokens)

    async def count(self, text: str) -> int:
        """How many tokens ``text`` is."""
        return await self._ready().count(text)

    async def embed(self, texts: Sequence[str], *, dimensions: int = 0) -> Embeddings:
        """A vector for each text; waits fairly for a slot."""
        return await self._ready().embed(texts, dimensions=dimensions)

    async def rerank(self, query: str, documents: Sequence[str]) -> Ranking:
        """How well each document answers the query; waits fairly for a slot."""
        return await self._ready().rerank(query, documents)

    async def set_adapters(self, adapters: Sequence[Adapter]) -> None:
        """Attach these LoRA adapters and detach all others, from the next request on."""
        async with self._attaching:
            await self._ready().set_adapters(adapters)
            self.adapters = tuple(adapters)

    def touch(self) -> None:
        """It is being used now."""
        self.last_used = time.time()

    def succeed(self, seconds: float) -> None:
        """It is ready, after so many seconds of loading."""
        self.load_seconds, self.loaded_at = seconds, time.time()
        self.touch()
        self.state = "ready"
        self.settled.set()

    def fail(self, failure: JackfieldError) -> None:
        """It is of no use any more."""
        self.state, self.failure, self.admitted = "failed", failure, False
        self.settled.set()

    async def until_settled(self) -> None:
        """Wait until it is ready.

        Raises:
            JackfieldError: it failed.
        """
        await self.settled.wait()
        if self.failure is not None:
            failure = self.failure
            raise type(failure)(failure.message, hint=failure.hint, **failure.details)

    def _ready(self) -> Worker:
        if self.worker is None or self.worker.info is None:
            raise LoadFailed(f"Model {self.model!r} is not ready: {self.stage}.")
        return self.worker
