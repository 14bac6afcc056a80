"""What goes wrong in a batch stays with whom it concerns: small models of random weights."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch

from jackfield import InvalidRequest, LoaderError, SamplingParams
from jackfield_loaders.transformers.batch import Batch
from jackfield_loaders.transformers.row import Row
from jackfield_loaders.transformers.sampler import Processor, Sampler
from small_models import random_model

VOCABULARY = 64
PROMPT = [(number * 7 + 3) % VOCABULARY for number in range(40)]


@pytest.fixture(scope="module")
def llama() -> Any:
    return random_model(vocabulary=VOCABULARY)


@pytest.fixture
def batch(llama: Any) -> Iterator[Batch]:
    made = Batch(llama, 4, 256)
    yield made
    made.close()


def begun(
    batch: Batch,
    limit: int = 12,
    processors: Sequence[Processor] = (),
    prompt: Sequence[int] = PROMPT,
) -> Row:
    params = SamplingParams(temperature=0)
    sampler = Sampler(params, VOCABULARY, prompt, {}, processors, spell=str)
    row = Row(prompt, sampler, limit, frozenset())
    batch.add(row)
    return row


def rest(row: Row) -> list[int]:
    """The tokens it still gets; it has its end within a while."""
    assert row.gone.wait(20)
    return [choice.token for choice in iter(row.next, None)]


def after(count: int, do: Callable[[Any], Any]) -> Processor:
    """A processor that does something once so many tokens were written."""

    def process(tokens: Sequence[int], scores: Any) -> Any:
        return do(scores) if len(tokens) >= len(PROMPT) + count else scores

    return process


def ban_all(scores: Any) -> Any:
    scores[:] = float("-inf")
    return scores


def leave(scores: Any) -> Any:
    raise SystemExit(3)


def no_memory(*given: Any) -> None:
    raise torch.OutOfMemoryError("out of memory")


def test_rows_that_end_have_their_end_when_the_others_cannot_be_kept(batch, monkeypatch):
    monkeypatch.setattr(batch, "_cut", no_memory)
    long, short = begun(batch, 200), begun(batch, 5)
    assert len(rest(short)) == 5
    assert long.gone.wait(20)
    with pytest.raises(LoaderError, match="out of memory"):
        rest(long)
    monkeypatch.undo()
    assert len(rest(begun(batch))) == 12


def test_nothing_is_kept_of_a_row_whose_choice_failed(llama, batch):
    clean = rest(begun(batch))
    other = Batch(llama, 4, 256)
    try:
        failing = begun(other, processors=[after(4, ban_all)])
        with pytest.raises(InvalidRequest, match="No token is left"):
            rest(failing)
        row = begun(other)
        assert rest(row) == clean
        assert row.cached == 0
    finally:
        other.close()


def test_what_fails_between_requests_is_told_to_who_asked_for_it_alone(batch):
    def broken() -> None:
        raise ImportError("no peft here")

    expected = rest(begun(batch))
    running = begun(batch, 100)
    with pytest.raises(LoaderError, match="ImportError: no peft here"):
        batch.alone(broken)
    assert rest(running)[:12] == expected
    assert rest(begun(batch)) == expected


@pytest.mark.parametrize("written", [0, 4])
def test_a_processor_that_would_end_the_process_fails_its_request_alone(batch, written):
    expected = rest(begun(batch))
    running = begun(batch, 100)
    leaving = begun(batch, processors=[after(written, leave)])
    with pytest.raises(LoaderError, match="could not be chosen: 3"):
        rest(leaving)
    assert rest(running)[:12] == expected


def test_a_step_that_would_end_the_process_fails_the_requests_of_that_step(batch, monkeypatch):
    expected = rest(begun(batch))
    with monkeypatch.context() as patch:
        patch.setattr(batch, "_step", lambda: leave(None))
        row = begun(batch)
        assert row.gone.wait(20)
        with pytest.raises(LoaderError, match="computation failed"):
            rest(row)
    assert rest(begun(batch)) == expected


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_is_gone_is_said_and_nobody_waits_for_it(llama, monkeypatch):
    batch = Batch(llama, 4, 256)
    monkeypatch.setattr(batch, "_wait", lambda: leave(None))
    begun(batch)  # wakes it
    batch._thread.join(20)
    with pytest.raises(LoaderError, match="stopped computing"):
        begun(batch)
    with pytest.raises(LoaderError, match="stopped computing"):
        batch.alone(lambda: None)
    batch.close()
