"""A loaded model in a worker, with the interface of one in this process."""

from __future__ import annotations

import queue
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, aclosing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from jackfield.errors import LoaderError
from jackfield.load_plan import revealed
from jackfield.loader import (
    Adapter,
    LoadedModel,
    Loader,
    LoadOptions,
    ModelFiles,
    Prompt,
    Token,
)
from jackfield.logits import LogitsProcessor, Processing
from jackfield.sampling import SamplingParams
from jackfield.vectors import Embeddings, Ranking
from jackfield.worker.host import Launch, Worker
from jackfield.worker.log import ModelLog
from jackfield.worker.memory import resident
from jackfield.worker.reference import LoaderReference, ProcessorReference

Value = TypeVar("Value")

GRACE = 20.0
"""Seconds that a worker is given to close its model and end by itself."""


class WorkerModel(LoadedModel):
    """Opens a model in a real worker process and speaks with it from any thread.

    For tests of a loader where the host will have it: behind the frames, in an interpreter that
    may be another than this one. Close it, or use it as a context manager.

    Args:
        loader: its class must be at the top level of a module that the worker can import.
        options: settled options.
        python: the worker's interpreter, which has Jackfield's kernel.

    Attributes:
        pid: of the worker.

    Raises:
        JackfieldError: whatever the loader said, or LoadFailed when the process ended.
    """

    def __init__(
        self, loader: Loader, files: ModelFiles, options: LoadOptions, python: str = sys.executable
    ) -> None:
        with ExitStack() as stack:
            logs = stack.enter_context(tempfile.TemporaryDirectory(prefix="jackfield-worker-"))
            self._portal: BlockingPortal = stack.enter_context(start_blocking_portal())
            launch = Launch(
                model=files.path.name,
                loader=LoaderReference.of(loader),
                files=files,
                options=revealed(options),
                log=ModelLog(Path(logs), files.path.name),
                python=python,
            )
            self._worker = self._portal.call(Worker, launch)
            self.info = self._portal.call(self._worker.start)
            stack.callback(self._portal.call, self._end)
            self._stack = stack.pop_all()
        self.pid = self._worker.pid

    def __enter__(self) -> WorkerModel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def memory(self) -> int:
        """Resident bytes of the worker and what it started; 0 when they are gone."""
        return resident(self.pid)

    @property
    def log(self) -> str:
        """The last lines that it printed."""
        return self._worker.launch.log.tail()

    def complete(self, prompt: Prompt, params: SamplingParams) -> WorkerReply:
        """Ask for a reply; an error comes with the first token."""
        return WorkerReply(self._portal, self._worker, prompt, params)

    def complete_processed(
        self, prompt: Prompt, params: SamplingParams, processors: Sequence[Processing]
    ) -> WorkerReply:
        """The same with logits processors, which must be LogitsProcessor objects to be sent."""
        sent = []
        for one in processors:
            if not isinstance(one, LogitsProcessor):
                raise TypeError(f"{one!r} is not a LogitsProcessor: a worker cannot be given it")
            sent.append(ProcessorReference.of(one, "tests"))
        return WorkerReply(self._portal, self._worker, prompt, params, tuple(sent))

    def embed(self, texts: Sequence[str], *, dimensions: int = 0) -> Embeddings:
        """A vector for each text."""
        return self._ask(lambda: self._worker.embed(texts, dimensions=dimensions))

    def rerank(self, query: str, documents: Sequence[str]) -> Ranking:
        """How well each document answers the query."""
        return self._ask(lambda: self._worker.rerank(query, documents))

    def set_adapters(self, adapters: Sequence[Adapter]) -> None:
        """Apply these LoRA adapters and no others."""
        self._ask(lambda: self._worker.set_adapters(adapters))

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids of ``text``."""
        return self._ask(lambda: self._worker.tokenize(text, special=special))

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids."""
        return self._ask(lambda: self._worker.detokenize(list(tokens)))

    def count(self, text: str) -> int:
        """How many tokens ``text`` is."""
        return self._ask(lambda: self._worker.count(text))

    def close(self) -> None:
        """Have the worker close its model and wait until the process is gone."""
        self._stack.close()

    def _ask(self, question: Callable[[], Awaitable[Value]]) -> Value:
        return self._portal.call(question)

    async def _end(self) -> None:
        await self._worker.close(grace=GRACE)


class WorkerReply(Iterator[Token]):
    """A reply out of a worker. ``close`` may be called from any thread."""

    def __init__(
        self,
        portal: BlockingPortal,
        worker: Worker,
        prompt: Prompt,
        params: SamplingParams,
        processors: tuple[ProcessorReference, ...] = (),
    ) -> None:
        self._come: queue.SimpleQueue[Token | Exception | None] = queue.SimpleQueue()
        self._over = False
        self._task: Future[Any] = portal.start_task_soon(
            self._read, worker, prompt, params, processors
        )

    def __next__(self) -> Token:
        if self._over:
            raise StopIteration
        come = self._come.get()
        if isinstance(come, Exception):
            self._over = True
            raise come
        if come is None or self._over:
            self._over = True
            raise StopIteration
        return come

    def close(self) -> None:
        """Cancel the request, if it still runs, and give nothing more."""
        self._over = True
        self._task.cancel()
        with suppress(CancelledError):
            self._task.result()
        self._come.put(None)

    async def _read(
        self,
        worker: Worker,
        prompt: Prompt,
        params: SamplingParams,
        processors: tuple[ProcessorReference, ...],
    ) -> None:
        end: Exception | None = None

        def fault(owner: str, words: str) -> None:
            self._come.put(LoaderError(f"A logits processor failed: {words}"))

        try:
            async with aclosing(worker.complete(prompt, params, processors, fault)) as tokens:
                async for token in tokens:
                    self._come.put(token)
        except Exception as error:  # noqa: BLE001 - raised again where the reply is read
            end = error
        finally:
            self._come.put(end)
