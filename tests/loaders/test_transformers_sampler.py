"""The Transformers loader's samplers by their numbers, and grammars at their edges."""

import math
import sys
import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import parts
from jackfield import InvalidRequest, LoadFailed, Prompt, SamplingParams, Token
from jackfield.catalog.model import describe
from jackfield_loaders.transformers import TransformersLoader
from jackfield_loaders.transformers.chain import Chain, heated
from jackfield_loaders.transformers.constraint import Constraints
from jackfield_loaders.transformers.dry import Dry, repeated
from jackfield_loaders.transformers.mirostat import Mirostat
from jackfield_loaders.transformers.options import TransformersOptions

FRANCE = "The capital of France is"
ENDS = frozenset({2})


@pytest.fixture(scope="module")
def model():
    found = describe(parts.smollm2_folder())
    assert found is not None
    options = TransformersOptions(n_ctx=512, parallel=4, device="cpu", dtype="float32", threads=1)
    loaded = TransformersLoader().load(found.files, options)
    yield loaded
    loaded.close()


def ask(model, prompt: str = FRANCE, **fields: object) -> list[Token]:
    params = SamplingParams(**{"temperature": 0, "max_tokens": 12, **fields})
    return list(model.complete(Prompt(prompt), params))


def text(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens)


def slowly(tokens: list[int], longest: int) -> dict[int, int]:
    """The same as ``repeated``, each place by itself."""
    found: dict[int, int] = {}
    for place in range(len(tokens) - 1):
        length = 0
        while length < min(longest, place + 1) and tokens[place - length] == tokens[-1 - length]:
            length += 1
        if length:
            following = tokens[place + 1]
            found[following] = max(found.get(following, 0), length)
    return found


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(0, 12))
def test_repeated_sequences_are_found_with_their_lengths(tokens, longest):
    assert repeated(np.array(tokens, np.int64), longest) == slowly(tokens, longest)


def dried(prompt: list[int], **fields: object) -> dict[int, float]:
    params = SamplingParams(dry_multiplier=0.5, dry_base=2.0, **fields)
    dry = Dry(params, lambda token: {0: "a", 1: "b", 2: "x:", 3: "-", 4: ">"}[token])
    for token in prompt:
        dry.accept(token)
    return dry.penalties()


def test_dry_penalties_grow_with_the_length_of_what_is_repeated():
    assert dried([0, 1, 0, 0, 1]) == {0: 0.5}
    assert dried([1, 0, 1, 0, 1, 0, 1]) == {0: 0.5 * 2**3}
    assert dried([0, 1, 0, 0, 1], dry_allowed_length=3) == {}
    assert dried([0, 1, 1, 0, 1, 0], dry_penalty_last_n=3) == {}


def test_dry_matches_nothing_across_a_breaker():
    assert dried([2, 0, 1, 2, 0]) == {}
    assert dried([2, 0, 1, 2, 0], dry_sequence_breakers=["?"]) == {1: 0.5}
    assert dried([3, 4, 1, 3, 4], dry_sequence_breakers=["->"]) == {}  # of two tokens
    assert dried([3, 4, 0, 1, 0, 3, 4, 0, 1], dry_sequence_breakers=["->"]) == {0: 0.5}


def test_the_temperature_follows_the_certainty():
    even, sure = torch.zeros(4), torch.tensor([50.0, 0.0, 0.0, 0.0])
    params = SamplingParams(temperature=1.0, dynatemp_range=0.5)
    assert heated(sure, params)[1] == pytest.approx(-100.0, rel=0.01)  # at 0.5
    half = torch.tensor([0.0, 0.0, -60.0, -60.0])  # half of the entropy that four can have
    assert heated(half, params)[2] == pytest.approx(-60.0, rel=0.01)
    steep = SamplingParams(temperature=1.0, dynatemp_range=0.5, dynatemp_exponent=2.0)
    assert heated(half, steep)[2] == pytest.approx(-60.0 / 0.75, rel=0.01)
    assert heated(even, params).tolist() == [0.0] * 4
    assert heated(sure, SamplingParams(temperature=0.0)).softmax(-1).tolist() == [1.0, 0, 0, 0]


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_comes_to_the_surprise_that_is_wanted(version):
    params = SamplingParams(mirostat=version, mirostat_tau=3.0, mirostat_eta=0.1)
    mirostat = Mirostat(params)
    random = torch.Generator().manual_seed(0)
    scores = -1.1 * torch.arange(1, 2001).float().log()  # as Zipf has it
    chances = scores.softmax(-1)
    drawn = [mirostat.choose(scores, random) for _ in range(600)]
    surprises = [-math.log2(float(chances[token])) for token in drawn[200:]]
    kept = sum(surprises) / len(surprises)
    everything = float(-(chances * chances.log2()).sum())
    assert 2.0 < kept < 5.0 < everything


def test_a_reply_that_follows_a_grammar_ends_with_it(model):
    tokens = ask(model, grammar='root ::= " Rome"')
    assert (text(tokens), tokens[-1].finish) == (" Rome", "stop")
    exact = ask(model, grammar='root ::= " Rome"', max_tokens=tokens[-1].completion_tokens)
    assert (text(exact), exact[-1].finish) == (" Rome", "stop")
    cut = ask(model, grammar='root ::= " Rome is the capital"', max_tokens=2)
    assert cut[-1].finish == "length"
    on = ask(model, grammar='root ::= " Rome"', ignore_eos=True)
    assert (text(on), on[-1].finish) == (" Rome", "stop")


def test_a_grammar_may_end_before_it_must(model):
    tokens = ask(model, grammar='root ::= " Paris" " Paris"*', logit_bias={2: 100})
    assert (text(tokens), tokens[-1].finish) == (" Paris", "stop")


def test_requests_at_once_follow_their_own_grammars(model):
    said: dict[str, str] = {}

    def run(word: str) -> None:
        said[word] = text(ask(model, grammar=f'root ::= " {word}" "!"', temperature=1.0))

    words = ["Rome", "Bern", "Oslo", "Lima"]
    threads = [threading.Thread(target=run, args=(word,)) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert said == {word: f" {word}!" for word in words}


def test_characters_of_several_tokens_follow_a_grammar(model):
    assert text(ask(model, grammar='root ::= " 日本 🙂"', max_tokens=30)) == " 日本 🙂"


def test_a_request_that_leaves_no_token_fails_alone(model):
    (paris,) = model.tokenize(" Paris")
    other: list[str] = []
    running = threading.Thread(target=lambda: other.append(text(ask(model, max_tokens=60))))
    running.start()
    grammar = 'root ::= " Paris" " Paris" " Paris"'
    letters = {
        one: -100 for word in (" ", " P", " Pa", " Par", " Paris") for one in model.tokenize(word)
    }
    with pytest.raises(InvalidRequest, match="No token is left"):
        ask(model, grammar=grammar, logit_bias={paris: -100, **letters})
    running.join(60)
    assert other == [text(ask(model, max_tokens=60))]


@pytest.mark.parametrize("field", [{"grammar": 'root ::= "a"'}, {"json_schema": {}}])
def test_without_the_library_it_is_said_what_to_install(model, monkeypatch, field):
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(LoadFailed, match="llguidance") as caught:
        ask(model, **field)
    assert "jackfield[transformers]" in caught.value.hint
    assert text(ask(model)).startswith(" Paris")


@pytest.mark.parametrize("field", ["grammar", "json_schema"])
def test_a_tokenizer_that_cannot_be_held_to_a_grammar_is_named(field):
    constraints = Constraints(object(), 100, ENDS)
    value = {"grammar": 'root ::= "a"', "json_schema": {"type": "object"}}[field]
    with pytest.raises(InvalidRequest, match="tokenizer of this model") as caught:
        constraints.of(SamplingParams(**{field: value}))
    assert caught.value.details["param"] == field


def test_a_temperature_of_nothing_but_a_hair_is_greedy(model):
    hot = ask(model, temperature=1e-6, top_k=0, seed=1)
    assert text(hot) == text(ask(model))


def test_no_deviations_from_the_best_leave_all_candidates():
    scores = torch.arange(8.0)
    for off in (-1.0, 0.0):
        # A copy that a plugin changed was not checked.
        params = SamplingParams(min_p=0, top_p=1, top_k=0, temperature=5).model_copy(
            update={"top_n_sigma": off}
        )
        chain = Chain(params, ("top_n_sigma", "temperature"), {}, torch.Generator().manual_seed(0))
        assert len({chain.choose(scores) for _ in range(200)}) == 8
