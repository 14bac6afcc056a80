"""Many requests: they do not mix, they can be cancelled, and one that fails hurts no other."""

from __future__ import annotations

import os
import threading
import time
from types import GeneratorType
from typing import Any

import psutil

from jackfield.errors import PromptTooLong
from jackfield.testing.conformance.suite import Suite, close, text_of, within
from jackfield.testing.worker_model import WorkerModel

WORDS = ("red", "blue", "green", "one", "two", "three")
SETTLED = 1.0
"""Seconds after a cancel within which the engine has to be idle."""


class Traffic(Suite):
    """Cancelling, requests at once, requests that cannot be done."""

    def test_closing_the_iterator_frees_its_slot(self) -> None:
        """More requests than slots can be begun and closed, and the next one is answered."""
        self.claims("completion")
        alone = self._seconds_of_a_reply()
        for _ in range(self.model.info.parallel + 2):
            within(self.patience, self._begin_and_close, "beginning and closing a reply")
        after = self._seconds_of_a_reply()
        assert after < 3 * alone + 2, f"the next reply took {after:.1f} s, alone {alone:.1f} s"

    def test_a_cancelled_request_stops_at_once(self) -> None:
        """The engine is idle within a second of the end of a long request."""
        self.claims("completion")
        within(self.patience, self._begin_and_close, "beginning and closing a reply")
        time.sleep(SETTLED)
        process = psutil.Process(self._pid())
        before = _cpu(process)
        time.sleep(0.5)
        used = (_cpu(process) - before) / 0.5
        assert used < 0.5, f"after the cancel it still computes, on {used:.1f} processors"

    def test_a_request_can_be_cancelled_before_its_first_token(self) -> None:
        """While the prompt is read, where the iterator can be closed by another thread."""
        self.claims("completion")
        long = self.filler * self._times(self.model.info.context_length * 3 // 4)
        ended = threading.Event()
        iterator: list[Any] = []

        def read() -> None:
            iterator.append(self.begin(long))
            try:
                next(iterator[0], None)
                if isinstance(iterator[0], GeneratorType):
                    close(iterator[0])
            finally:
                ended.set()

        threading.Thread(target=read, daemon=True).start()
        time.sleep(0.02)
        if iterator and not isinstance(iterator[0], GeneratorType):
            within(self.patience / 4, lambda: close(iterator[0]), "closing")
        assert ended.wait(self.patience / 4), "a request that was cancelled early does not end"
        if iterator and not isinstance(iterator[0], GeneratorType):
            close(iterator[0])
        assert self.complete(max_tokens=2)[-1].finish is not None

    def test_a_closed_iterator_gives_nothing_more(self) -> None:
        """Closing twice is harmless."""
        self.claims("completion")

        def ask() -> Any:
            iterator = self.begin()
            next(iterator)
            close(iterator)
            close(iterator)
            return next(iterator, None)

        left = within(self.patience, ask, "closing twice")
        assert left is None, f"a closed iterator goes on with {left!r}"

    def test_requests_at_once_do_not_mix(self) -> None:
        """As many as there are slots, and more, each get the reply they get alone.

        They differ in length and in how much they ask for, so that some end while others begin.
        """
        self.claims("completion")
        count = min(self.model.info.parallel + 2, len(WORDS))
        asked = [(f"{word} " * (6 + 2 * at) + word, 3 + at) for at, word in enumerate(WORDS)]
        alone = [self.complete(text, max_tokens=n, **self.greed()) for text, n in asked[:count]]

        def ask(number: int) -> str:
            text, limit = asked[number]
            tokens = self.complete(text, max_tokens=limit, **self.greed())
            counts = tokens[-1].prompt_tokens, tokens[-1].completion_tokens
            expected = alone[number][-1].prompt_tokens, alone[number][-1].completion_tokens
            assert counts == expected, f"{text!r} was counted as {counts}, alone as {expected}"
            return text_of(tokens)

        replies = at_once(ask, count, self.patience)
        for (text, _), reply, tokens in zip(asked, replies, alone, strict=False):
            assert reply == text_of(tokens), (
                f"{text!r} was answered with {reply!r}, alone with {text_of(tokens)!r}"
            )

    def test_parameters_at_once_do_not_mix(self) -> None:
        """A request's stop strings, limits and temperature are its own."""
        self.samples("temperature")
        whole = self.greedy(8)
        stop = whole[2:5]

        def ask(number: int) -> str:
            time.sleep(0.01 * number)  # what comes last is what a model that mixes goes by
            if number == 0:
                return self.greedy(8)
            if number == 2:
                return self.greedy(8, stop=[stop])
            return text_of(self.complete(max_tokens=8, temperature=2.0))

        plain, _, stopped, _ = at_once(ask, 4, self.patience)
        assert plain == whole, f"beside others the reply is {plain!r}, alone {whole!r}"
        expected = whole[: whole.find(stop)]
        assert stopped == expected, f"with stop {stop!r} the reply is {stopped!r}"

    def test_one_that_is_cancelled_leaves_the_others_alone(self) -> None:
        """A request that is closed halfway changes nothing for one that runs beside it."""
        self.claims("completion")
        whole = self.greedy(12)

        def ask(number: int) -> str:
            if number:
                self._begin_and_close()
                return ""
            return self.greedy(12)

        count = max(2, min(self.model.info.parallel, 4))
        beside = at_once(ask, count, self.patience)[0]
        assert beside == whole, f"beside cancelled requests {beside!r}, alone {whole!r}"

    def test_a_prompt_longer_than_the_context_is_refused(self) -> None:
        """PromptTooLong with both numbers, and the next request works."""
        self.claims("completion")
        limit = self.model.info.context_length
        text = self.filler * (self._times(limit) + 8)
        try:
            self.complete(text, max_tokens=1)
        except PromptTooLong as error:
            assert error.details.get("limit") == limit, f"limit is {error.details.get('limit')}"
            assert error.details.get("tokens", 0) > limit, f"tokens: {error.details.get('tokens')}"
        else:
            raise AssertionError("a prompt longer than the context was not refused")
        assert self.complete(max_tokens=2)[-1].finish is not None

    def test_the_context_is_as_long_as_it_says(self) -> None:
        """A prompt of nearly the whole context is answered, and the reply ends where it is full."""
        self.claims("completion")
        self.has_tokenizer()
        limit = self.model.info.context_length
        times = self._times(limit) + 1
        while self.model.count(self.filler * times) + self.model.info.adds_bos > limit - 4:
            times -= 1
        last = self.complete(self.filler * times)[-1]
        assert last.completion_tokens >= 1, "nothing was written"
        used = last.prompt_tokens + last.completion_tokens
        assert used <= limit + 1, f"{used} tokens in a context of {limit}"

    def _begin_and_close(self) -> None:
        iterator = self.begin(**self.greed())
        for _ in range(2):
            next(iterator, None)
        begun = time.monotonic()
        close(iterator)
        took = time.monotonic() - begun
        assert took < SETTLED, f"closing took {took:.1f} s"

    def _seconds_of_a_reply(self) -> float:
        begun = time.monotonic()
        assert self.complete(max_tokens=2)[-1].finish is not None
        return time.monotonic() - begun

    def _times(self, tokens: int) -> int:
        """How often ``filler`` is repeated to be about so many tokens, rather more."""
        filler = self.filler * 16
        # A word is a token at least, where there is no tokenizer to ask.
        each = self.model.count(filler) if self.model.info.vocabulary else len(filler.split())
        return tokens * 16 // max(each, 1) + 1

    def _pid(self) -> int:
        """The process that computes."""
        return self.model.pid if isinstance(self.model, WorkerModel) else os.getpid()


def at_once(ask: Any, count: int, patience: float) -> list[str]:
    """The answers of ``ask(0)`` to ``ask(count - 1)``, all begun together.

    Raises:
        AssertionError: one hangs or fails.
    """
    replies = [""] * count
    errors: list[Exception] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait()
        try:
            replies[number] = ask(number)
        except Exception as error:  # noqa: BLE001 - raised below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(at,), daemon=True) for at in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience)
    assert not any(thread.is_alive() for thread in threads), "requests at once hang"
    if errors:
        raise AssertionError(f"requests at once fail: {errors[0]}") from errors[0]
    return replies


def _cpu(process: psutil.Process) -> float:
    """Seconds that a process and its children have computed."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))
