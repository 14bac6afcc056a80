"""A reply as the engine writes it, read from another thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from jackfield import JackfieldError, LoaderError, SamplingParams, Token
from jackfield_loaders.gguf.chunks import Chunks

LONGEST_WAIT = 60
"""Seconds to wait for the engine to let go of a request; it does so between two batches."""

Run = Callable[[Callable[[bytes], bool]], None]
"""Runs a request to its end, giving each chunk to a callback; True from that cancels it."""


class Reply(Iterator[Token]):
    """Iterates over the tokens of one request, which runs in a thread of its own.

    :meth:`close` may be called from any thread, also while another waits for the next token.

    Attributes:
        thread: it ends when the engine has let go of the request.
    """

    def __init__(self, run: Run, params: SamplingParams) -> None:
        self._tokens: queue.SimpleQueue[Token | Exception | None] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._over = False
        arguments = (run, Chunks(params), self._tokens, self._cancelled)
        self.thread = threading.Thread(target=_work, args=arguments, daemon=True)
        self.thread.start()

    def __next__(self) -> Token:
        item = None if self._over else self._tokens.get()
        if item is None or self._cancelled.is_set():
            self._over = True
            self.thread.join(timeout=LONGEST_WAIT)  # then its slot is free
            raise StopIteration
        if isinstance(item, Exception):
            self._over = True
            if isinstance(item, JackfieldError):
                raise item
            raise LoaderError(f"The engine failed: {item}") from item
        return item

    def close(self) -> None:
        """Cancel the request, and wait until the engine has let go of it."""
        self._cancelled.set()
        self._tokens.put(None)  # wakes whoever waits for the next token
        self.thread.join(timeout=LONGEST_WAIT)

    def __del__(self) -> None:
        self._cancelled.set()


def _work(
    run: Run,
    chunks: Chunks,
    tokens: queue.SimpleQueue[Token | Exception | None],
    cancelled: threading.Event,
) -> None:
    """Run a request; knows nothing of the reply, so that a dropped one is cancelled."""

    def take(data: bytes) -> bool:
        if not chunks.over:
            try:
                for token in chunks.take(data):
                    tokens.put(token)
            except Exception as error:  # noqa: BLE001 - it is raised where the reply is read
                tokens.put(error)
                return True
        return chunks.over or cancelled.is_set()

    try:
        run(take)
    except Exception as error:  # noqa: BLE001 - it is raised where the reply is read
        tokens.put(error)
    tokens.put(None)
