"""What prompts have in common is computed once, and long prompts hold nobody up: real weights."""

import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import parts
from jackfield import LoaderError, Prompt, SamplingParams, Token
from jackfield.catalog.model import describe
from jackfield_loaders.transformers import TransformersLoader
from jackfield_loaders.transformers.options import TransformersOptions
from jackfield_loaders.transformers.prefixes import LEAST, Prefixes, alike

STORY = (
    "The lighthouse keeper wrote down the weather every evening, and whoever passed by could read "
    "it on the door: wind from the north, a calm sea, fog until noon. "
)
LONG = STORY * 80  # some 3,000 tokens


@pytest.fixture(scope="module")
def load():
    """A function that loads the model; all are closed at the end."""
    found = describe(parts.smollm2_folder())
    assert found is not None
    loaded = []

    def load(**options: object):
        chosen = {"n_ctx": 4096, "parallel": 4, "threads": 1, **options}
        settled = TransformersOptions(device="cpu", dtype="float32", **chosen)
        loaded.append(TransformersLoader().load(found.files, settled))
        return loaded[-1]

    yield load
    for model in loaded:
        model.close()


@pytest.fixture(scope="module")
def shared(load):
    return load()


@pytest.fixture
def model(shared):
    """With nothing kept from the test before."""
    shared.set_adapters([])
    return shared


def ask(model, prompt: str, limit: int = 12, **sampling: object) -> list[Token]:
    params = SamplingParams(**{"temperature": 0, "max_tokens": limit, **sampling})
    return list(model.complete(Prompt(prompt), params))


def text(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens)


def test_the_same_beginning_is_computed_once_and_the_reply_is_the_same(model):
    first = ask(model, STORY + "One day")
    assert first[-1].cached_tokens == 0
    questions = ("In the morning", "One day", "Nobody")
    fresh = {}
    for question in questions:
        model.set_adapters([])
        fresh[question] = text(ask(model, STORY + question))
    model.set_adapters([])
    ask(model, STORY + "One day")
    common = model.count(STORY.rstrip())
    for question in questions:
        tokens = ask(model, STORY + question)
        assert tokens[-1].prompt_tokens > tokens[-1].cached_tokens >= common
        assert text(tokens) == fresh[question]


def test_a_conversation_goes_on_from_its_reply(model):
    prompt = STORY + "One day"
    reply = text(ask(model, prompt, limit=30))
    last = ask(model, prompt + reply + " And then")[-1]
    assert last.cached_tokens > model.count(prompt) + 20


def test_requests_at_once_share_what_runs(model):
    prompts = [STORY + f"Number {number} said" for number in range(4)]
    alone = []
    for prompt in prompts:
        model.set_adapters([])
        alone.append(text(ask(model, prompt)))
    model.set_adapters([])
    together: dict[int, list[Token]] = {}

    def run(number: int) -> None:
        together[number] = ask(model, prompts[number])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [text(together[number]) for number in range(4)] == alone
    cached = sorted(tokens[-1].cached_tokens for tokens in together.values())
    assert cached[0] == 0
    assert all(one > 30 for one in cached[1:])


def test_other_weights_forget_what_was_computed(model):
    ask(model, STORY + "One day")
    model.set_adapters([])
    assert ask(model, STORY + "One day")[-1].cached_tokens == 0


def test_a_cancelled_request_leaves_what_it_computed(model):
    iterator = model.complete(Prompt(STORY + "One day"), SamplingParams(max_tokens=200))
    next(iterator)
    iterator.close()
    assert ask(model, STORY + "One day")[-1].cached_tokens > 30


def test_what_is_kept_stays_within_the_room_of_the_context(load):
    model = load(n_ctx=128, parallel=1)
    texts = [f"{number} " + STORY for number in range(4)]
    for one in texts:
        ask(model, one, limit=40)
    assert ask(model, texts[0])[-1].cached_tokens == 0  # the others took its room
    assert ask(model, texts[0])[-1].cached_tokens > 0


def test_a_long_prompt_lets_others_go_on(model):
    running = model.complete(Prompt("Once upon a time"), SamplingParams(max_tokens=400))
    next(running)
    first: list[Token] = []

    def read() -> None:
        iterator = model.complete(Prompt(LONG), SamplingParams(max_tokens=2))
        first.append(next(iterator))
        iterator.close()

    thread = threading.Thread(target=read)
    thread.start()
    came = 0
    while thread.is_alive():
        next(running)
        came += 1
    running.close()
    assert len(first) == 1
    assert came >= 5  # a step after each 512 tokens of the prompt


def test_a_request_that_leaves_while_its_prompt_is_computed_frees_its_slot(model):
    whole = time.monotonic()
    ask(model, LONG + "One", limit=1)
    whole = time.monotonic() - whole
    model.set_adapters([])
    iterator = model.complete(Prompt(LONG + "Two"), SamplingParams(max_tokens=2))
    begun = time.monotonic()
    iterator.close()
    assert time.monotonic() - begun < whole / 2


def test_several_requests_join_while_a_long_prompt_is_computed(model):
    said: dict[str, str] = {}

    def run(name: str, prompt: str) -> None:
        said[name] = text(ask(model, prompt, limit=6))

    prompts = {"long": LONG, "a": "The capital of France is", "b": STORY}
    for name, prompt in prompts.items():
        run(name, prompt)
    alone = dict(said)
    said.clear()
    model.set_adapters([])
    threads = [threading.Thread(target=run, args=item) for item in prompts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert said == alone


def test_without_memory_for_it_nothing_is_kept_and_replies_are_as_ever(model, monkeypatch):
    def full(*given: object) -> None:
        raise RuntimeError("out of memory")

    wanted = text(ask(model, STORY + "One day"))
    model.set_adapters([])
    monkeypatch.setattr(model._batch._prefixes, "keep", full)
    for limit in (1, 12):  # a request may end with its prompt
        ask(model, STORY + "One day", limit=limit)
        tokens = ask(model, STORY + "One day", limit=limit)
        assert tokens[-1].cached_tokens == 0
    assert text(tokens) == wanted


def test_what_goes_wrong_in_a_step_is_told_to_all_and_the_next_request_is_answered(
    model, monkeypatch
):
    def broken() -> None:
        raise ValueError("no such thing")

    with monkeypatch.context() as patch:
        patch.setattr(model._batch, "_step", broken)
        with pytest.raises(LoaderError, match="no such thing"):
            ask(model, STORY)
        patch.setattr(model._batch, "_merge", lambda row, cache: broken())
        with pytest.raises(LoaderError, match="no such thing"):
            ask(model, STORY)
    assert text(ask(model, "The capital of France is", limit=2)).startswith(" Paris")


def layers(ids: list[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """A cache that says which tokens it is of."""
    numbers = torch.tensor(ids, dtype=torch.float32)[None, None, :, None]
    return [(numbers, -numbers)]


prompts = st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(0, 40)).map(
    lambda one: [one[0]] * one[1] + [9] * one[2]
)


@settings(max_examples=200)
@given(st.lists(st.tuples(prompts, st.integers(0, 60)), max_size=12), prompts, st.integers(0, 150))
def test_what_is_found_is_the_longest_of_what_is_kept(kept, wanted, room):
    prefixes = Prefixes(room)
    for ids, taken in kept:
        prefixes.keep(ids, layers(ids), taken)
        assert prefixes._positions + taken <= room or not prefixes._kept
        assert prefixes._positions == sum(len(one) for one, _ in prefixes._kept)
    shared, found = prefixes.longest(wanted)
    best = max((alike(np.array(wanted), ids) for ids, _ in prefixes._kept), default=0)
    assert shared == (best if best >= LEAST else 0)
    for keys, values in found:
        assert keys[0, 0, :, 0].tolist() == wanted[:shared]
        assert values[0, 0, :, 0].tolist() == [-one for one in wanted[:shared]]


def test_what_is_kept_does_not_change_with_the_request_it_came_from():
    prefixes = Prefixes(100)
    ids = list(range(20))
    given = layers(ids)
    prefixes.keep(ids, given, 0)
    given[0][0].zero_()
    _, found = prefixes.longest(ids)
    assert found[0][0][0, 0, :, 0].tolist() == ids
