"""Batches of what several requests want at the same time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from jackfield import LoaderError

Item = TypeVar("Item")
Found = TypeVar("Found")


class _Request(Generic[Item, Found]):
    """Items of one request; ``found`` grows in their order."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.begun = 0
        self.found: list[Found] = []
        self.error: Exception | None = None
        self.over = threading.Event()


class Gatherer(Generic[Item, Found]):
    """Computes in one thread, in rounds, what any number of threads ask for.

    A round takes from every request that waits, the same number where there are too many, so that
    a short request does not wait for a long one to end.

    Args:
        compute: results of a round's items, in their order.
        most: items in a round.
    """

    def __init__(self, compute: Callable[[list[Item]], Sequence[Found]], most: int) -> None:
        self._compute = compute
        self._most = most
        self._waiting: deque[_Request[Item, Found]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="gatherer", daemon=True)
        self._thread.start()

    def ask(self, items: Sequence[Item]) -> list[Found]:
        """The results of these items, in their order.

        Raises:
            LoaderError: the model is being unloaded.
            Exception: whatever the computation raised in a round with some of the items.
        """
        if not items:
            return []
        request: _Request[Item, Found] = _Request(items)
        with self._changed:
            if self._closed:
                raise LoaderError("The model is being unloaded.")
            self._waiting.append(request)
            self._changed.notify()
        request.over.wait()
        if request.error is not None:
            raise request.error
        return request.found

    def close(self) -> None:
        """End after the round that runs; requests that wait get an error."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    self._fail(self._waiting, LoaderError("The model is being unloaded."))
                    return
                shares = self._shares()
            self._round(shares)

    def _shares(self) -> list[tuple[_Request[Item, Found], Sequence[Item]]]:
        """What each request gives to the next round, those that waited longest first."""
        shares = []
        room = self._most
        for place, request in enumerate(self._waiting):
            fair = max(1, room // (len(self._waiting) - place))
            taken = request.items[request.begun : request.begun + min(fair, room)]
            if not taken:
                break
            shares.append((request, taken))
            request.begun += len(taken)
            room -= len(taken)
        return shares

    def _round(self, shares: list[tuple[_Request[Item, Found], Sequence[Item]]]) -> None:
        try:
            results = self._compute([item for _, taken in shares for item in taken])
        except Exception as error:  # noqa: BLE001 - raised again in the threads that asked
            self._fail([request for request, _ in shares], error)
            return
        at = 0
        with self._changed:
            for request, taken in shares:
                request.found.extend(results[at : at + len(taken)])
                at += len(taken)
                self._waiting.remove(request)
                if request.begun == len(request.items):
                    request.over.set()
                else:
                    self._waiting.append(request)

    def _fail(self, requests: Sequence[_Request[Item, Found]], error: Exception) -> None:
        with self._changed:
            for request in list(requests):
                request.error = error
                self._waiting.remove(request)
                request.over.set()
