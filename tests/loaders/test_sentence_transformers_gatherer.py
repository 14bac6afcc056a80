"""The gatherer puts together what waits, shares rounds fairly, and tells of failures."""

import threading

import pytest

from jackfield import LoaderError
from jackfield_loaders.sentence_transformers.gatherer import Gatherer


class Slow:
    """Computes squares, a round at a time, when it is let."""

    def __init__(self, most: int) -> None:
        self.rounds: list[list[int]] = []
        self.go = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.gatherer: Gatherer[int, int] = Gatherer(self.compute, most)

    def compute(self, items: list[int]) -> list[int]:
        self.rounds.append(items)
        self.begun.release()
        assert self.go.acquire(timeout=10)
        if -1 in items:
            raise LoaderError("no square")
        return [item * item for item in items]

    def ask(self, items: list[int], answers: dict[int, object]) -> threading.Thread:
        def run() -> None:
            try:
                answers[items[0]] = self.gatherer.ask(items)
            except LoaderError as error:
                answers[items[0]] = error

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def until_waiting(self, count: int) -> None:
        while len(self.gatherer._waiting) < count:
            threading.Event().wait(0.001)


@pytest.fixture
def slow():
    made = Slow(most=6)
    yield made
    made.go.release(100)
    made.gatherer.close()


def test_what_waits_is_computed_in_one_round(slow):
    answers: dict[int, object] = {}
    threads = [slow.ask([1], answers)]
    assert slow.begun.acquire(timeout=10)
    threads += [slow.ask([number], answers) for number in (2, 3, 4)]
    slow.until_waiting(4)
    slow.go.release(2)
    for thread in threads:
        thread.join(10)
    assert slow.rounds[0] == [1]
    assert sorted(slow.rounds[1]) == [2, 3, 4]
    assert answers == {1: [1], 2: [4], 3: [9], 4: [16]}


def test_a_short_request_does_not_wait_for_a_long_one(slow):
    answers: dict[int, object] = {}
    long = slow.ask(list(range(100, 130)), answers)
    assert slow.begun.acquire(timeout=10)
    short = slow.ask([2], answers)
    slow.until_waiting(2)
    slow.go.release(2)
    short.join(10)
    assert answers == {2: [4]}
    slow.go.release(100)
    long.join(10)
    assert answers[100] == [number * number for number in range(100, 130)]
    assert max(map(len, slow.rounds)) == 6


def test_a_failed_round_fails_its_requests_and_no_others(slow):
    answers: dict[int, object] = {}
    first = slow.ask([-1], answers)
    assert slow.begun.acquire(timeout=10)
    second = slow.ask([3], answers)
    slow.until_waiting(2)
    slow.go.release(2)
    first.join(10)
    second.join(10)
    assert isinstance(answers[-1], LoaderError)
    assert answers[3] == [9]


def test_closing_fails_what_waits_and_what_comes_later(slow):
    answers: dict[int, object] = {}
    running = slow.ask(list(range(1, 20)), answers)
    assert slow.begun.acquire(timeout=10)
    closing = threading.Thread(target=slow.gatherer.close)
    closing.start()
    while not slow.gatherer._closed:
        threading.Event().wait(0.001)
    slow.go.release(1)
    running.join(10)
    closing.join(10)
    assert isinstance(answers[1], LoaderError)
    with pytest.raises(LoaderError, match="being unloaded"):
        slow.gatherer.ask([1])
