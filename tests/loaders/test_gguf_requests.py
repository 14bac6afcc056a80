"""Requests to a GGUF model: beside each other, cancelled, refused, and with a beginning shared."""

import http.client
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jackfield import InvalidRequest, LoadedModel, ModelFiles, Prompt, PromptTooLong, SamplingParams
from jackfield_loaders.gguf import GgufLoader
from jackfield_loaders.gguf.options import GgufOptions
from jackfield_loaders.gguf.xllamacpp_engine import XllamacppModel

FRANCE = "The capital of France is"
FOREVER = {"ignore_eos": True, "max_tokens": None}


@pytest.fixture(scope="module")
def model(smollm2_files: ModelFiles) -> Iterator[LoadedModel]:
    options = GgufOptions(n_ctx=1024, parallel=8, n_threads=1, n_batch=64)
    loaded = GgufLoader().load(smollm2_files, options)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def single(smollm2_files: ModelFiles) -> Iterator[LoadedModel]:
    options = GgufOptions(engine="llama-cpp-python", n_ctx=1024, n_threads=1, n_batch=64)
    loaded = GgufLoader().load(smollm2_files, options)
    yield loaded
    loaded.close()


def text(model: LoadedModel, prompt: str, **fields: Any) -> str:
    return "".join(token.text for token in complete(model, prompt, **fields))


def complete(model: LoadedModel, prompt: str, **fields: Any) -> list[Any]:
    params = SamplingParams(**{"temperature": 0, "max_tokens": 8} | fields)
    return list(model.complete(Prompt(prompt), params))


def test_eight_requests_run_at_the_same_time(model: LoadedModel) -> None:
    begun, ended = threading.Barrier(8), threading.Event()
    early = []

    def ask(number: int) -> None:
        params = SamplingParams(max_tokens=24, ignore_eos=True)
        reply = model.complete(Prompt(f"{number} little birds"), params)
        next(reply)
        early.append(ended.is_set())
        begun.wait(60)  # all eight have a token before any goes on to its end
        assert [one.finish for one in reply][-1] == "length"
        ended.set()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert early == [False] * 8
    assert ended.is_set()


def test_each_of_eight_requests_gets_its_own_reply(model: LoadedModel) -> None:
    words = ("alpha", "beta", "gamma", "delta", "kappa", "sigma", "theta", "omega")
    replies: dict[str, str] = {}

    def ask(word: str) -> None:
        replies[word] = text(model, FRANCE, grammar=f'root ::= "{word} {word}"', max_tokens=16)

    threads = [threading.Thread(target=ask, args=(word,)) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert replies == {word: f"{word} {word}" for word in words}


@pytest.mark.parametrize("engine", ["model", "single"])
def test_closing_stops_the_engine_within_a_token(
    engine: str, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(engine)
    iterator = model.complete(Prompt(FRANCE), SamplingParams(**FOREVER))
    for _ in range(3):
        next(iterator)
    begun = time.monotonic()
    iterator.close()
    assert time.monotonic() - begun < 5  # the reply would take a quarter of a minute
    assert next(iterator, None) is None
    assert text(model, FRANCE).startswith(" Paris")


@pytest.mark.parametrize("engine", ["model", "single"])
def test_another_thread_can_close_a_request_that_still_reads_its_prompt(
    engine: str, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(engine)
    begun = time.monotonic()
    complete(model, "dog " * 900, max_tokens=1, seed=1)
    reading = time.monotonic() - begun
    iterator = model.complete(Prompt("dog " * 900), SamplingParams(seed=1, **FOREVER))
    got: list[Any] = []
    reader = threading.Thread(target=lambda: got.extend(iterator))
    reader.start()
    time.sleep(reading / 10)
    begun = time.monotonic()
    iterator.close()
    assert time.monotonic() - begun < reading / 2
    reader.join(30)
    assert not reader.is_alive() and not got
    assert text(model, FRANCE).startswith(" Paris")


def test_a_reply_that_is_dropped_is_cancelled(model: LoadedModel) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    iterator = model.complete(Prompt(FRANCE), SamplingParams(**FOREVER))
    next(iterator)
    (worker,) = [thread for thread in threading.enumerate() if thread.ident not in before]
    del iterator
    worker.join(30)
    assert not worker.is_alive()


def test_a_second_request_waits_for_the_first_where_only_one_can_run(single: LoadedModel) -> None:
    first = single.complete(Prompt(FRANCE), SamplingParams(**FOREVER))
    next(first)
    replies: list[str] = []
    second = threading.Thread(target=lambda: replies.append(text(single, FRANCE)))
    second.start()
    second.join(0.3)
    assert second.is_alive()
    first.close()
    second.join(60)
    assert replies[0].startswith(" Paris")


@pytest.mark.parametrize("engine", ["model", "single"])
def test_a_shared_beginning_is_not_read_again(engine: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(engine)
    story = "A fox and a crane went to the market together, and " * 8
    complete(model, story + "bought apples.", max_tokens=1)
    last = complete(model, story + "sold pears.", max_tokens=1)[-1]
    assert last.cached_tokens > 0.8 * last.prompt_tokens
    assert last.prompt_tokens == model.count(story + "sold pears.")


@pytest.mark.parametrize("engine", ["model", "single"])
def test_a_reused_beginning_does_not_change_the_reply(
    engine: str, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(engine)
    fresh = text(model, FRANCE, seed=1)
    complete(model, FRANCE + " Paris, and that of Italy is")
    assert text(model, FRANCE) == fresh


@pytest.mark.parametrize("engine", ["model", "single"])
def test_with_a_seed_nothing_is_reused(engine: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(engine)
    for _ in range(2):
        assert complete(model, FRANCE, seed=1)[-1].cached_tokens == 0


@pytest.mark.parametrize("engine", ["model", "single"])
def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(
    engine: str, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(engine)
    with pytest.raises(PromptTooLong, match="1,024") as caught:
        complete(model, "dog " * 2000)
    assert caught.value.details == {"tokens": 2001, "limit": 1024}


@pytest.mark.parametrize("engine", ["model", "single"])
def test_an_empty_prompt_is_refused(engine: str, request: pytest.FixtureRequest) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        complete(request.getfixturevalue(engine), "")


@pytest.mark.parametrize("engine", ["model", "single"])
def test_half_a_character_is_refused(engine: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(engine)
    with pytest.raises(InvalidRequest, match="half a character"):
        complete(model, "a \ud83d")
    with pytest.raises(InvalidRequest, match="half a character"):
        model.tokenize("a \ud83d")


@pytest.mark.parametrize("engine", ["model", "single"])
def test_special_tokens_are_parsed_where_asked(engine: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(engine)
    assert model.tokenize("<|im_start|>") == [1]
    assert len(model.tokenize("<|im_start|>", special=False)) > 1
    assert model.detokenize([1]) == "<|im_start|>"
    assert complete(model, "<|im_start|>user\nHi<|im_end|>\n", max_tokens=1)[-1].prompt_tokens == 6


@pytest.mark.parametrize("engine", ["model", "single"])
def test_a_token_that_does_not_exist_is_refused(
    engine: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(InvalidRequest, match="49152"):
        request.getfixturevalue(engine).detokenize([49_152])


def test_the_engines_own_port_is_closed_to_others(model: LoadedModel) -> None:
    assert isinstance(model, XllamacppModel)
    loopback = model._loopback
    path = Path(loopback.host)
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    key, loopback.key = loopback.key, "guessed"
    try:
        with pytest.raises(Exception, match="Invalid API Key"):
            loopback.ask("/tokenize", {"content": "a"})
    finally:
        loopback.key = key


def test_the_tokenizer_answers_after_the_engine_hung_up(model: LoadedModel) -> None:
    assert isinstance(model, XllamacppModel)
    connection = model._loopback._connection
    assert isinstance(connection, http.client.HTTPConnection)
    for _ in range(250):  # more than the engine takes on one connection
        assert model.tokenize("a") == [81]


def test_closing_removes_the_socket_and_ends_running_requests(smollm2_files: ModelFiles) -> None:
    options = GgufOptions(n_ctx=512, parallel=1, n_threads=1)
    model = GgufLoader().load(smollm2_files, options)
    assert isinstance(model, XllamacppModel)
    folder = Path(model._loopback.host).parent
    iterator = model.complete(Prompt(FRANCE), SamplingParams(**FOREVER))
    next(iterator)
    model.close()
    assert next(iterator, None) is None
    assert not folder.exists()
