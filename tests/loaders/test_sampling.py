"""Every sampling parameter takes effect, with each engine alike: by what it does to SmolLM2."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jackfield import InvalidRequest, LoadedModel, ModelFiles, Prompt, SamplingParams, Token
from jackfield.catalog.model import describe
from jackfield.sampling import SAMPLERS
from jackfield_loaders.gguf import GgufLoader
from jackfield_loaders.gguf.options import GgufOptions
from jackfield_loaders.transformers import TransformersLoader
from jackfield_loaders.transformers.options import TransformersOptions

FRANCE = "The capital of France is"  # ' Paris', with a probability of 0.77
COLOUR = "My favourite colour is"  # many continuations, none likelier than 0.12
CAT = "The cat sat. The cat sat. The cat sat. The cat"  # ' sat', 0.93
RED = "I like red and blue and red and blue and"  # ' blue', then ' red'
PARIS, EOS = 7042, 2
OPEN = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}  # no sampler but the one under test


class Asker:
    """A model, asked briefly."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model

    def tokens(self, prompt: str, **fields: Any) -> list[Token]:
        params = SamplingParams(**{"temperature": 0, "max_tokens": 6} | fields)
        return list(self.model.complete(Prompt(prompt), params))

    def __call__(self, prompt: str, **fields: Any) -> str:
        return "".join(token.text for token in self.tokens(prompt, **fields))

    def over_seeds(self, prompt: str, **fields: Any) -> set[str]:
        fields = {"temperature": 1.5, "max_tokens": 2} | fields
        return {self(prompt, seed=seed, **fields) for seed in range(5)}


@pytest.fixture(scope="module", params=["xllamacpp", "llama-cpp-python", "transformers"])
def ask(
    request: pytest.FixtureRequest, smollm2_files: ModelFiles, smollm2_folder: Path
) -> Iterator[Asker]:
    if request.param == "transformers":
        found = describe(smollm2_folder)
        assert found is not None
        small = {"n_ctx": 1024, "parallel": 2, "threads": 1, "device": "cpu", "dtype": "float32"}
        model = TransformersLoader().load(found.files, TransformersOptions(**small))
    else:
        options = GgufOptions(engine=request.param, n_ctx=1024, parallel=2, n_threads=1)
        model = GgufLoader().load(smollm2_files, options)
    yield Asker(model)
    model.close()


def test_temperature_zero_takes_the_likeliest_token(ask: Asker) -> None:
    assert {ask(FRANCE, seed=seed).startswith(" Paris.") for seed in range(3)} == {True}


def test_a_high_temperature_varies_the_text(ask: Asker) -> None:
    assert len(ask.over_seeds(COLOUR)) > 2


def test_a_seed_repeats_and_another_differs(ask: Asker) -> None:
    first = [ask(COLOUR, temperature=1.5, seed=7, max_tokens=12) for _ in range(3)]
    assert len(set(first)) == 1
    assert ask(COLOUR, temperature=1.5, seed=8, max_tokens=12) != first[0]


def test_without_a_seed_texts_differ(ask: Asker) -> None:
    assert len({ask(COLOUR, temperature=1.5, max_tokens=8) for _ in range(4)}) > 1


@pytest.mark.parametrize(
    "field",
    [
        {"top_k": 1},
        {"top_p": 0.0},
        {"top_p": 0.01},
        {"min_p": 1.0},
        {"top_n_sigma": 0.01},
        {"mirostat": 1, "mirostat_tau": 0.0},
        {"mirostat": 2, "mirostat_tau": 0.0},
    ],
    ids=str,
)
def test_at_its_strictest_a_sampler_is_greedy_at_any_temperature(
    ask: Asker, field: dict[str, Any]
) -> None:
    assert ask.over_seeds(COLOUR, temperature=2.0, **{**OPEN, **field}) == {" blue."}
    assert len(ask.over_seeds(COLOUR, temperature=2.0, **OPEN)) > 2


def test_typical_p_leaves_only_the_most_typical(ask: Asker) -> None:
    first = {"max_tokens": 1, **OPEN}
    only = ask.over_seeds(COLOUR, typical_p=0.001, **first)
    assert len(only) == 1
    assert only <= {" probably", " lavender"}  # which of them depends on how exactly it computes
    assert len(ask.over_seeds(COLOUR, typical_p=1.0, **first)) > 2


def test_xtc_leaves_out_the_obvious(ask: Asker) -> None:
    assert not ask(COLOUR, xtc_probability=1.0, xtc_threshold=0.02).startswith(" blue")
    assert ask(COLOUR, xtc_probability=0.0, xtc_threshold=0.02).startswith(" blue")


def test_the_xtc_threshold_decides_what_is_obvious(ask: Asker) -> None:
    assert ask(COLOUR, xtc_probability=1.0, xtc_threshold=0.5).startswith(" blue")


@pytest.mark.parametrize(
    "field", [{"repeat_penalty": 3.0}, {"frequency_penalty": 2.0}, {"presence_penalty": 2.0}]
)
def test_penalties_change_repetition(ask: Asker, field: dict[str, float]) -> None:
    assert ask(RED).startswith(" blue")
    assert ask(RED, **field).startswith(" green")
    assert ask(RED, repeat_last_n=0, **field).startswith(" blue")
    assert ask(RED, repeat_last_n=-1, **field).startswith(" green")


def test_a_negative_frequency_penalty_repeats_more(ask: Asker) -> None:
    repeated = ask(RED, frequency_penalty=-2.0, max_tokens=10)
    assert repeated.count("blue") > ask(RED, max_tokens=10).count("blue")


def test_dry_stops_a_repeated_sequence(ask: Asker) -> None:
    assert ask(CAT).startswith(" sat")
    assert not ask(CAT, dry_multiplier=5.0).startswith(" sat")


@pytest.mark.parametrize(
    "field",
    [
        {"dry_allowed_length": 50},
        {"dry_penalty_last_n": 0},
        {"dry_sequence_breakers": ["cat"]},
        {"dry_multiplier": 0.01, "dry_base": 1.0},
    ],
    ids=str,
)
def test_dry_lets_repeat_what_it_is_told_to(ask: Asker, field: dict[str, Any]) -> None:
    assert ask(CAT, **{"dry_multiplier": 5.0} | field).startswith(" sat")


def test_the_dry_penalty_grows_with_its_base(ask: Asker) -> None:
    assert not ask(CAT, dry_multiplier=0.01, dry_base=8.0).startswith(" sat")


def test_dry_works_without_sequence_breakers(ask: Asker) -> None:
    assert not ask(CAT, dry_multiplier=5.0, dry_sequence_breakers=[]).startswith(" sat")


def test_mirostat_keeps_the_surprise_that_it_is_told_to(ask: Asker) -> None:
    for version in (1, 2):
        calm = ask.over_seeds(COLOUR, mirostat=version, mirostat_tau=0.5)
        wild = ask.over_seeds(COLOUR, mirostat=version, mirostat_tau=20.0)
        assert calm == {" blue."}
        assert len(wild) > 2


def test_mirostat_adapts_as_fast_as_it_is_told_to(ask: Asker) -> None:
    for version in (1, 2):
        fields = {"max_tokens": 12, "mirostat": version, "mirostat_tau": 2.0}
        still = ask.over_seeds(COLOUR, mirostat_eta=0.0, **fields)
        assert ask.over_seeds(COLOUR, mirostat_eta=1.0, **fields) != still


def test_dynamic_temperature_follows_the_certainty(ask: Asker) -> None:
    fields = {"dynatemp_range": 1.5, **OPEN}
    assert ask.over_seeds(FRANCE, dynatemp_exponent=10.0, **fields) == {" Paris."}
    assert len(ask.over_seeds(FRANCE, dynatemp_exponent=0.01, **fields)) > 2


def test_samplers_are_applied_in_the_order_given(ask: Asker) -> None:
    fields = {"temperature": 3.0, "min_p": 0.4, "max_tokens": 1}
    cut_first = ask.over_seeds(COLOUR, samplers=["min_p", "temperature"], **fields)
    heated_first = ask.over_seeds(COLOUR, samplers=["temperature", "min_p"], **fields)
    assert cut_first <= {" blue", " a", " red"}
    assert not heated_first <= {" blue", " a", " red"}


def test_a_sampler_that_is_not_named_is_not_applied(ask: Asker) -> None:
    assert len(ask.over_seeds(FRANCE, temperature=3.0, top_k=1, samplers=["temperature"])) > 2
    assert ask.over_seeds(FRANCE, temperature=3.0, top_k=1, samplers=list(SAMPLERS)) == {" Paris."}


def test_a_logit_bias_of_minus_100_bans_a_token(ask: Asker) -> None:
    assert "Paris" not in ask(FRANCE, logit_bias={PARIS: -100}, max_tokens=10)


def test_a_logit_bias_of_100_forces_a_token(ask: Asker) -> None:
    assert ask(COLOUR, logit_bias={PARIS: 100}, max_tokens=2) == " Paris Paris"


def test_a_bias_for_a_token_that_does_not_exist_is_refused(ask: Asker) -> None:
    with pytest.raises(InvalidRequest, match="999999") as caught:
        ask(FRANCE, logit_bias={999_999: 1})
    assert caught.value.details["param"] == "logit_bias"


def test_banned_strings_are_not_written(ask: Asker) -> None:
    assert "Paris" not in ask(FRANCE, banned_strings=["Paris"], max_tokens=10)


def test_ignore_eos_goes_on_to_max_tokens(ask: Asker) -> None:
    ended = ask.tokens(COLOUR, logit_bias={EOS: 100}, max_tokens=12)[-1]
    assert (ended.finish, ended.completion_tokens) == ("stop", 1)
    went_on = ask.tokens(COLOUR, logit_bias={EOS: 100}, max_tokens=12, ignore_eos=True)[-1]
    assert (went_on.finish, went_on.completion_tokens) == ("length", 12)


def test_max_tokens_ends_the_reply(ask: Asker) -> None:
    last = ask.tokens(FRANCE, max_tokens=3)[-1]
    assert (last.finish, last.completion_tokens) == ("length", 3)


def test_a_stop_string_split_over_tokens_ends_the_text(ask: Asker) -> None:
    whole = ask(FRANCE, max_tokens=12)
    stop = whole[len(whole) // 2 - 3 :][:7]
    tokens = ask.tokens(FRANCE, max_tokens=12, stop=[stop, "nowhere"])
    assert "".join(token.text for token in tokens) == whole[: whole.index(stop)]
    assert tokens[-1].finish == "stop"
    assert tokens[-1].prompt_tokens == ask.model.count(FRANCE)
    assert 0 < tokens[-1].completion_tokens < 12


def test_log_probabilities_are_the_models_own(ask: Asker) -> None:
    plain = ask.tokens(FRANCE, logprobs=5, max_tokens=1)[0]
    assert plain.text == plain.top[0].text == " Paris"
    assert plain.logprob == pytest.approx(-0.26, abs=0.03)
    assert [other.logprob for other in plain.top] == sorted(
        (other.logprob for other in plain.top), reverse=True
    )
    hot = {"temperature": 3.0, "seed": 1, "repeat_penalty": 2.0, "logit_bias": {PARIS: -5}}
    changed = ask.tokens(FRANCE, logprobs=5, max_tokens=1, **hot)[0]
    assert changed.top[0].logprob == pytest.approx(plain.top[0].logprob, abs=0.01)


def test_logprobs_may_come_without_alternatives(ask: Asker) -> None:
    token = ask.tokens(FRANCE, logprobs=0, max_tokens=1)[0]
    assert token.logprob is not None and not token.top


def test_the_end_token_is_no_part_of_the_reply_with_logprobs(ask: Asker) -> None:
    tokens = ask.tokens(FRANCE, logprobs=1, grammar='root ::= " Rome"', max_tokens=12)
    assert "".join(token.text for token in tokens) == " Rome"
    assert all(token.text for token in tokens[:-1])


def test_a_grammar_holds_at_any_temperature(ask: Asker) -> None:
    texts = ask.over_seeds(COLOUR, grammar='root ::= ("yes" | "no") "!"', max_tokens=8)
    assert texts <= {"yes!", "no!"}


def test_a_broken_grammar_is_refused_by_name_and_the_model_lives_on(ask: Asker) -> None:
    with pytest.raises(InvalidRequest, match="root ::= yes") as caught:
        ask(FRANCE, grammar="root ::= yes | (")
    assert caught.value.details["param"] == "grammar"
    assert ask(FRANCE).startswith(" Paris")


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "kind": {"enum": ["cat", "dog"]},
        "age": {"type": "integer", "minimum": 0, "maximum": 99},
        "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
    },
    "required": ["name", "kind", "age", "tags"],
    "additionalProperties": False,
}


def test_a_json_schema_always_parses(ask: Asker) -> None:
    for seed in range(4):
        text = ask("A pet:", json_schema=PERSON, max_tokens=120, temperature=1.2, seed=seed)
        value = json.loads(text)
        assert set(value) == {"name", "kind", "age", "tags"}
        assert value["kind"] in ("cat", "dog")
        assert isinstance(value["age"], int)
        if ask.model.info.parallel > 1:  # llama-cpp-python's grammars have no bounds for numbers
            assert 0 <= value["age"] <= 99
        assert all(isinstance(tag, bool) for tag in value["tags"])


@pytest.mark.parametrize("schema", [{"type": "bogus"}, {"$ref": "http://nowhere.invalid/a"}])
def test_a_json_schema_that_cannot_be_held_is_refused(ask: Asker, schema: dict[str, Any]) -> None:
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="JSON schema") as caught:
            ask(FRANCE, json_schema=schema)
        assert caught.value.details["param"] == "json_schema"
    assert ask(FRANCE).startswith(" Paris")


def test_a_grammar_and_a_schema_together_are_refused(ask: Asker) -> None:
    with pytest.raises(InvalidRequest, match="only one"):
        ask(FRANCE, grammar='root ::= "a"', json_schema={})


def bounds() -> list[tuple[str, Any]]:
    """The least and the greatest value of every numeric parameter."""
    found = []
    for name, field in SamplingParams.model_fields.items():
        for limit in field.metadata:
            value = getattr(limit, "ge", getattr(limit, "le", None))
            if value is not None and name != "max_tokens":
                found.append((name, value))
    return found


@pytest.mark.parametrize(("name", "value"), bounds())
def test_every_value_within_the_bounds_is_taken(ask: Asker, name: str, value: float) -> None:
    company = {"dry_multiplier": 1.0, "xtc_probability": 0.5, "dynatemp_range": 0.5}
    if name.startswith("mirostat"):
        company["mirostat"] = 2
    fields = company | {"temperature": 1.0, "max_tokens": 2, name: value}
    assert ask.tokens(COLOUR, **fields)[-1].finish is not None


def test_every_parameter_is_claimed_and_there_is_none_without_a_test(ask: Asker) -> None:
    assert ask.model.info.sampling_fields == set(SamplingParams.model_fields)
