"""The process of one model: reads orders, runs requests in threads, sends back what comes."""

from __future__ import annotations

import faulthandler
import logging
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import GeneratorType
from typing import Any

from pydantic import ValidationError

from jackfield.errors import InvalidRequest, JackfieldError, LoaderError, LoadFailed
from jackfield.loader import LoadedModel, Loader, Token
from jackfield.sampling import SamplingParams
from jackfield.worker import frames
from jackfield.worker.failure import packed
from jackfield.worker.process import die_with, private_pipes, volunteer_for_out_of_memory
from jackfield.worker.processing import Guarded

log = logging.getLogger("jackfield.worker")


def main() -> None:
    """Be a worker. The arguments are the process id of the host, and the model's name."""
    read, write = private_pipes()
    die_with(int(sys.argv[1]))
    volunteer_for_out_of_memory()
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    Child(read, Outlet(write)).run()


class Outlet:
    """Sends frames from any thread, in the order they were given by each.

    Whoever finds the pipe free writes all that is ready, so frames are sent at once when the pipe
    keeps up and in larger pieces when it does not.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ready: deque[bytes] = deque()
        self._pipe = threading.Lock()
        self._writer = frames.FrameWriter()

    def send(self, report: frames.Report) -> None:
        """Send a frame. If the host is gone, so is this process."""
        self._ready.append(self._writer.frame(report))
        # Asked again after each release: a frame may be added between the last look and it.
        while self._ready and self._pipe.acquire(blocking=False):
            try:
                self._write()
            except OSError:
                os._exit(0)
            finally:
                self._pipe.release()

    def flush(self) -> None:
        """Wait until everything given so far is in the pipe."""
        with self._pipe:
            self._write()

    def _write(self) -> None:
        while self._ready:
            data = memoryview(b"".join(self._ready.popleft() for _ in range(len(self._ready))))
            while data:
                data = data[os.write(self._descriptor, data) :]


class Request:
    """A request being answered."""

    def __init__(self, order: frames.Complete) -> None:
        self.order = order
        self.cancelled = threading.Event()
        self.iterator: Iterator[Token] | None = None

    def cancel(self) -> None:
        """End it: at once where the iterator can be closed from here, else at its next token."""
        self.cancelled.set()
        iterator = self.iterator
        if iterator is not None and not isinstance(iterator, GeneratorType):
            # A running generator cannot be closed from another thread; other iterators can.
            close(iterator)


class Child:
    """The worker: one reader thread, a thread for each request, the model in the main thread."""

    def __init__(self, read: int, outlet: Outlet) -> None:
        self._read = read
        self._outlet = outlet
        self._load: queue.SimpleQueue[frames.Load] = queue.SimpleQueue()
        self._requests: dict[int, Request] = {}
        self._closing = threading.Event()
        self._model: LoadedModel

    def run(self) -> None:
        """Load when told to, then serve until closed. Never returns."""
        threading.Thread(target=self._reader, name="orders", daemon=True).start()
        order = self._load.get()
        try:
            self._model = self._loaded(order)
        except Exception as error:
            log.exception("The model could not be loaded")
            who = f"The loader of {order.files.path.name!r}"
            self._outlet.send(packed(error, 0, otherwise=LoadFailed, who=who))
            self._leave(1)
        self._outlet.send(frames.Loaded(self._model.info))
        self._closing.wait()
        try:
            self._model.close()
        except Exception:
            log.exception("The model did not close well")
        self._leave(0)

    def _leave(self, code: int) -> None:
        self._outlet.flush()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # native threads and destructors have held up many an orderly exit

    def _loaded(self, order: frames.Load) -> LoadedModel:
        self._outlet.send(frames.Stage("importing"))
        loader = order.loader.resolve()
        options = loader.Options.model_validate(order.options)
        self._outlet.send(frames.Stage("loading"))
        try:
            return loader.load(order.files, options)
        except ImportError as error:
            raise _missing(loader, error) from error
        except MemoryError as error:
            raise LoadFailed(
                f"Loader {loader.name!r} ran out of memory.",
                hint="Choose a smaller model or a shorter context, or unload others.",
            ) from error

    def _reader(self) -> None:
        """Read orders until the host is gone, which ends the process whatever else runs."""
        reader: frames.FrameReader[frames.Order] = frames.FrameReader(frames.Order)
        code = 0
        try:
            while data := os.read(self._read, 1 << 16):
                for order in reader.feed(data):
                    self._obey(order)
        except Exception:
            log.exception("An order could not be read")
            code = 1
        os._exit(code)

    def _obey(self, order: frames.Order) -> None:
        match order:
            case frames.Load():
                self._load.put(order)
            case frames.Complete():
                request = self._requests[order.id] = Request(order)
                self._start(self._complete, request)
            case frames.Cancel():
                if (found := self._requests.get(order.id)) is not None:
                    self._start(found.cancel)
            case frames.Ping():
                self._start(self._outlet.send, frames.Pong())
            case frames.Close():
                self._closing.set()
            case _:
                self._start(self._answer, order)

    def _start(self, task: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=task, args=arguments, daemon=True).start()

    def _complete(self, request: Request) -> None:
        order = request.order
        try:
            params = _checked(order.params)
            request.iterator = self._begun(order, params)
            try:
                if not request.cancelled.is_set():
                    self._send_tokens(request, request.iterator)
            finally:
                close(request.iterator)
        except BaseException as error:  # noqa: BLE001 - a loader's own code ran, or a panic of Rust
            self._failed(order.id, error)
        else:
            self._outlet.send(frames.Ended(order.id))
        finally:
            del self._requests[order.id]

    def _begun(self, order: frames.Complete, params: SamplingParams) -> Iterator[Token]:
        if not order.processors:
            return self._model.complete(order.prompt, params)

        def fault(owner: str) -> Callable[[str], None]:
            return lambda words: self._outlet.send(frames.Fault(order.id, owner, words))

        guarded = [Guarded(one, self._model, fault(one.owner)) for one in order.processors]
        return self._model.complete_processed(order.prompt, params, guarded)

    def _send_tokens(self, request: Request, iterator: Iterator[Token]) -> None:
        number, send, cancelled = request.order.id, self._outlet.send, request.cancelled.is_set
        for token in iterator:
            if cancelled():
                return
            send(frames.Tokens(number, token))

    def _answer(self, order: frames.Question) -> None:
        try:
            self._outlet.send(frames.Result(order.id, self._asked(order)))
        except BaseException as error:  # noqa: BLE001 - a loader's own code ran, or a panic of Rust
            self._failed(order.id, error)

    def _asked(self, order: frames.Question) -> object:
        model = self._model
        match order:
            case frames.Tokenize():
                return model.tokenize(order.text, special=order.special)
            case frames.Detokenize():
                return model.detokenize(order.tokens)
            case frames.Count():
                return model.count(order.text)
            case frames.Embed():
                return model.embed(order.texts, dimensions=order.dimensions)
            case frames.Rerank():
                return model.rerank(order.query, order.documents)
            case frames.SetAdapters():
                model.set_adapters(order.adapters)
                return None

    def _failed(self, number: int, error: BaseException) -> None:
        if not isinstance(error, JackfieldError):
            log.error("Request %d failed", number, exc_info=error)
        self._outlet.send(packed(error, number, otherwise=LoaderError))


def _checked(values: dict[str, Any]) -> SamplingParams:
    """The parameters, checked once more: a copy that a plugin changed was not."""
    try:
        return SamplingParams.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        raise InvalidRequest(
            f"Sampling parameter {name!r} cannot be {first['input']!r}: {first['msg']}.",
            hint="Change it in the request, or look for the plugin that set it.",
            param=name,
        ) from error


def close(iterator: Iterator[Token]) -> None:
    """Close an iterator that can be closed."""
    shut = getattr(iterator, "close", None)
    if shut is not None:
        shut()


def _missing(loader: Loader, error: ImportError) -> LoadFailed:
    """The error for a back-end that is not installed, naming what to install."""
    return LoadFailed(
        f"Loader {loader.name!r} needs something that cannot be imported: {error}.",
        hint=f"Install it with: pip install '{loader.extra}'" if loader.extra else "",
    )
