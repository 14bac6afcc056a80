"""The server's side of a worker: start it, speak with it, watch over it, end it."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import msgspec

from jackfield.errors import JackfieldError, LoadFailed, WorkerDied
from jackfield.loader import Adapter, ModelFiles, ModelInfo, Prompt, Token
from jackfield.sampling import SamplingParams
from jackfield.vectors import Embeddings, Ranking
from jackfield.worker import frames
from jackfield.worker.answer import Answer, again
from jackfield.worker.ending import end_family, ending_in_words
from jackfield.worker.failure import unpacked
from jackfield.worker.log import ModelLog
from jackfield.worker.memory import Limits
from jackfield.worker.pipes import Pipes
from jackfield.worker.reference import LoaderReference, ProcessorReference
from jackfield.worker.watch import Watch


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is started with.

    Attributes:
        model: the model's name, for messages.
        loader: where the worker finds the loader.
        files, options: what it loads.
        log: where its output goes.
        expected: bytes of weights, against which progress is measured.
        limits: how much memory it may take at first.
        python: the interpreter.
    """

    model: str
    loader: LoaderReference
    files: ModelFiles
    options: dict[str, Any]
    log: ModelLog
    expected: int = 0
    limits: Limits = Limits()
    python: str = sys.executable


class Worker:
    """The process of one model. All methods belong to the event loop it was started in.

    Attributes:
        info: what the model can do, once it is ready.
        stage: ``starting``, ``importing``, ``loading``, ``ready`` or ``ended``.
        pid: its process id.
        death: why it ended, once it has.
        queued: requests that wait for a slot.
        limits: how much memory it may take; may be changed while it runs.
    """

    def __init__(
        self, launch: Launch, on_death: Callable[[JackfieldError], None] | None = None
    ) -> None:
        self.launch = launch
        self.info: ModelInfo | None = None
        self.stage = "starting"
        self.pid = 0
        self.death: JackfieldError | None = None
        self.queued = 0
        self.limits = launch.limits
        self.gone = asyncio.Event()
        self.watch = Watch(self)
        self._on_death = on_death
        self._reason: JackfieldError | None = None
        self._failure: JackfieldError | None = None
        self._closing = False
        self._answers: dict[int, Answer] = {}
        self._active: set[int] = set()
        self._numbers = itertools.count(1)
        self._slots = asyncio.Semaphore(1)
        self._ready: asyncio.Future[ModelInfo]
        self._transport: asyncio.SubprocessTransport
        self._orders: asyncio.WriteTransport
        self._writer = frames.FrameWriter()
        self._reader: frames.FrameReader[frames.Report] = frames.FrameReader(frames.Report)

    @property
    def active(self) -> int:
        """Requests that the worker is answering."""
        return len(self._active)

    async def start(self) -> ModelInfo:
        """Start the process and load the model; cancelling this ends the process.

        Raises:
            JackfieldError: whatever the loader said, or LoadFailed when the process ended.
        """
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        with self.launch.log.open() as log:
            transport, _ = await loop.subprocess_exec(
                lambda: Pipes(self),
                # -P: the current folder is no place to import from.
                *(self.launch.python, "-P", "-m", "jackfield.worker", str(os.getpid())),
                self.launch.model,  # for who looks at the list of processes
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # A session of its own: Ctrl-C in a terminal is for the server alone.
                start_new_session=True,
            )
        self._transport, self.pid = transport, transport.get_pid()
        orders = transport.get_pipe_transport(0)
        assert isinstance(orders, asyncio.WriteTransport)
        self._orders = orders
        self.watch.start()
        launch = self.launch
        self._send(frames.Load(launch.loader, launch.files, launch.options))
        try:
            return await asyncio.shield(self._ready)
        except BaseException:
            # The load failed, or nobody waits for it any more.
            await asyncio.shield(self.close(grace=0))
            raise

    async def complete(
        self,
        prompt: Prompt,
        params: SamplingParams,
        processors: tuple[ProcessorReference, ...] = (),
        fault: Callable[[str, str], None] | None = None,
    ) -> AsyncGenerator[Token, None]:
        """Generate; requests beyond the model's slots wait their turn here.

        Closing the iterator cancels the request, in the queue or in the worker.

        Args:
            processors: what plugins do to the scores of each token.
            fault: told the plugin whose processor failed, and why.

        Raises:
            WorkerDied: the process ended.
            JackfieldError: whatever the loader said.
        """
        number, answer = await self._open()
        answer.fault = fault
        values = params.model_dump(exclude_unset=True)
        try:
            self._send(frames.Complete(number, prompt, values, processors))
        except Exception:
            self._over(number)  # it never left, so the worker will not give the slot back
            raise
        try:
            tokens = answer.tokens
            while True:
                while tokens:
                    yield tokens.popleft()
                if answer.over:
                    break
                await answer.wait()
            if answer.error is not None:
                raise again(answer.error)
        finally:
            if not answer.over:
                self._send(frames.Cancel(number))

    async def embed(self, texts: Sequence[str], *, dimensions: int = 0) -> Embeddings:
        """A vector for each text; waits its turn as ``complete`` does."""
        number, answer = await self._open()
        order = frames.Embed(number, list(texts), dimensions)
        return msgspec.convert(await self._slotted(answer, order), Embeddings)

    async def rerank(self, query: str, documents: Sequence[str]) -> Ranking:
        """How well each document answers the query; waits its turn as ``complete`` does."""
        number, answer = await self._open()
        order = frames.Rerank(number, query, list(documents))
        return msgspec.convert(await self._slotted(answer, order), Ranking)

    async def set_adapters(self, adapters: Sequence[Adapter]) -> None:
        """Apply these LoRA adapters and no others."""
        number = next(self._numbers)
        await self._ask(number, frames.SetAdapters(number, list(adapters)))

    async def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids of ``text``."""
        number = next(self._numbers)
        return list(await self._ask(number, frames.Tokenize(number, text, special)))

    async def detokenize(self, tokens: list[int]) -> str:
        """The text of token ids."""
        number = next(self._numbers)
        return str(await self._ask(number, frames.Detokenize(number, tokens)))

    async def count(self, text: str) -> int:
        """How many tokens ``text`` is."""
        number = next(self._numbers)
        return int(await self._ask(number, frames.Count(number, text)))

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._send(frames.Ping())

    async def close(self, *, grace: float = 2.0, reason: JackfieldError | None = None) -> None:
        """End the process: asked, then told, then killed. Returns when it is gone.

        Args:
            grace: seconds each step is given; 0 kills at once.
            reason: what requests that are still running end with.
        """
        self._closing = True
        self._reason = self._reason or reason or self._unloaded()
        if grace and not self.gone.is_set():
            self._send(frames.Close())
            if not await self._gone_within(grace):
                self._transport.terminate()
                await self._gone_within(grace)
        if not self.gone.is_set():
            self.kill(self._reason)
        await self.gone.wait()
        await self.watch.stop()

    def kill(self, reason: JackfieldError) -> None:
        """Kill the process and its children; ``reason`` is what its requests end with."""
        self._reason = self._reason or reason
        if not self.gone.is_set():
            end_family(self.pid)

    def failed(self, message: str, hint: str = "", **details: Any) -> JackfieldError:
        """An error about this worker, of the class that fits, with the log's last lines."""
        log = self.launch.log
        kind = WorkerDied if self.info is not None else LoadFailed
        hint = hint or f"Its log is {str(log.path)!r}."
        return kind(message, hint=hint, log=log.tail(), model=self.launch.model, **details)

    async def _gone_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.gone.wait(), seconds)
        except TimeoutError:
            return False
        return True

    # What the protocol calls

    def received(self, data: bytes) -> None:
        """Bytes came from the worker."""
        if self.gone.is_set():
            return  # a process that it left behind still writes
        self.watch.heard()
        try:
            reports = self._reader.feed(data)
        except ValueError as error:
            self.kill(self.failed(f"The worker of model {self.launch.model!r} sent {error}."))
            return
        for report in reports:
            self._take(report)

    def ended(self, code: int) -> None:
        """The process has ended and all it sent was received."""
        name, how = self.launch.model, ending_in_words(code)
        message = f"The worker of model {name!r} ended: {how}."
        death = self._reason or self._failure or self.failed(message, exit_code=code)
        self.death, self.stage = death, "ended"
        if not self._ready.done():
            self._ready.set_exception(death)
            self._ready.exception()  # taken: perhaps nobody waits for it any more
        for number in list(self._answers):
            self._over(number, death)
        self._transport.close()
        self.gone.set()
        if self._on_death is not None and not self._closing:
            self._on_death(death)

    def _take(self, report: frames.Report) -> None:
        match report:
            case frames.Tokens(number, token):
                if (answer := self._answers.get(number)) is not None:
                    answer.tokens.append(token)
                    answer.wake()
            case frames.Fault(number, owner, words):
                answer = self._answers.get(number)
                if answer is not None and answer.fault is not None:
                    answer.fault(owner, words)
            case frames.Ended(number):
                self._over(number)
            case frames.Result(number, value):
                if (answer := self._answers.get(number)) is not None:
                    answer.value = value
                self._over(number)
            case frames.Failed(number) if number:
                self._over(number, unpacked(report))
            case frames.Failed():
                self._failure = unpacked(report)
                self._failure.details.setdefault("log", self.launch.log.tail())
            case frames.Stage(name):
                self.stage = name
            case frames.Loaded(info):
                self.info, self.stage = info, "ready"
                self.watch.look()
                self._slots = asyncio.Semaphore(info.parallel)
                if not self._ready.done():
                    self._ready.set_result(info)

    def _send(self, order: frames.Order) -> None:
        if not self._orders.is_closing():
            self._orders.write(self._writer.frame(order))

    async def _open(self) -> tuple[int, Answer]:
        """Wait for a slot, first come first served, and take it."""
        self._alive()
        self.queued += 1
        try:
            await self._slots.acquire()
        finally:
            self.queued -= 1
        try:
            self._alive()
        except JackfieldError:
            self._slots.release()  # so that the next in the queue hears of it too
            raise
        number, answer = next(self._numbers), Answer()
        self._answers[number] = answer
        self._active.add(number)
        return number, answer

    async def _ask(self, number: int, order: frames.Question) -> Any:
        self._alive()
        self._send(order)
        answer = self._answers[number] = Answer()
        return await answer.whole()

    async def _slotted(self, answer: Answer, order: frames.Embed | frames.Rerank) -> Any:
        """Ask what holds a slot: it is free when the worker has answered, whoever still waits."""
        try:
            self._send(order)
        except Exception:
            self._over(order.id)  # it never left
            raise
        return await answer.whole()

    def _over(self, number: int, error: JackfieldError | None = None) -> None:
        """A request has ended in the worker: its slot is free."""
        answer = self._answers.pop(number, None)
        if answer is not None:
            answer.end(error)
        if number in self._active:
            self._active.discard(number)
            self._slots.release()

    def _alive(self) -> None:
        if self.death is not None:
            raise again(self.death)

    def _unloaded(self) -> JackfieldError:
        name = self.launch.model
        if self.info is None:
            return LoadFailed(f"Model {name!r} was unloaded before it was ready.", model=name)
        return WorkerDied(f"Model {name!r} was unloaded while it was answering.", model=name)
