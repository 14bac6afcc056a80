"""The fake model: it must behave as a real one would, or tests with it prove nothing."""

import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import ModelFileError
from jackfield.loader import ModelFiles, Prompt, Token
from jackfield.sampling import SamplingParams
from jackfield.testing import FakeLoader, fake_model, fake_text
from jackfield.testing.fake import FakeModel, FakeOptions

CHAT = "<|im_start|>user\nhello there<|im_end|>\n<|im_start|>assistant\n"


def loaded(folder: Path, **behaviour: object) -> FakeModel:
    path = fake_model(folder, "m", **behaviour)
    return FakeLoader().load(ModelFiles(path, "fake", 1), FakeOptions())


def asked(model: FakeModel, text: str = "hi", **sampling: object) -> list[Token]:
    return list(model.complete(Prompt(text), SamplingParams(**sampling)))


def said(model: FakeModel, text: str = "hi", **sampling: object) -> str:
    return "".join(token.text for token in asked(model, text, **sampling))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_the_tokenizer(text: str) -> None:
    ids = fake_text.tokenize(text)
    assert fake_text.detokenize(ids) == text
    assert all(0 < id_ < fake_text.vocabulary() for id_ in ids)
    assert ids == fake_text.tokenize(text)


@pytest.mark.parametrize("id_", [0, 7, 1 << 51, 32, (0xFF << 3) | 1])
def test_an_id_without_text_is_an_error(id_: int) -> None:
    with pytest.raises(ValueError, match="no token has the id"):
        fake_text.detokenize([id_])


def test_replies_come_in_turn_and_a_seed_repeats_one(tmp_path: Path) -> None:
    model = loaded(tmp_path, replies=["a", "b", "c"])
    assert [said(model) for _ in range(4)] == ["a", "b", "c", "a"]
    assert [said(model, seed=1) for _ in range(2)] == ["b", "b"]
    for greedy in ({"temperature": 0}, {"top_k": 1}, {"top_p": 0}):
        assert [said(model, **greedy) for _ in range(2)] == ["a", "a"]


def test_it_echoes_the_user_or_the_prompt_and_goes_on_where_a_reply_was_begun(
    tmp_path: Path,
) -> None:
    assert said(loaded(tmp_path), CHAT) == "hello there"
    assert said(loaded(tmp_path), "plain text") == "plain text"
    assert said(loaded(tmp_path, replies=["prompt"]), CHAT) == CHAT
    assert said(loaded(tmp_path, replies=["one two"]), CHAT + "one") == " two"


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        (["two"], "one "),
        (["wo th"], "one t"),
        (["ree", "e t"], "on"),
        (["one"], ""),
        (["three!"], "one two three"),
    ],
)
def test_a_stop_text_ends_the_reply_and_never_shows(
    tmp_path: Path, stop: list[str], text: str
) -> None:
    reply = asked(loaded(tmp_path, replies=["one two three"]), stop=stop)
    assert "".join(token.text for token in reply) == text
    assert reply[-1].finish == "stop"


def test_max_tokens_and_the_context_limit_a_reply(tmp_path: Path) -> None:
    model = loaded(tmp_path, replies=["a b c d e f"], context_length=4)
    reply = asked(model, max_tokens=2)
    assert (reply[-1].finish, reply[-1].completion_tokens) == ("length", 2)
    reply = asked(model)
    assert (reply[-1].finish, reply[-1].prompt_tokens, reply[-1].completion_tokens) == (
        "length",
        1,
        3,
    )
    assert reply[-1].cached_tokens == 1


def test_log_probabilities_are_consistent(tmp_path: Path) -> None:
    reply = asked(loaded(tmp_path, replies=["one two"]), logprobs=3)
    for token in reply[:-1]:
        assert token.logprob is not None and token.top[0].id == token.id
        assert token.top[0].logprob == token.logprob
        chances = [math.exp(one.logprob) for one in token.top]
        assert len(chances) == 3 and sum(chances) <= 1
        assert chances == sorted(chances, reverse=True)
    assert all(token.top == () for token in asked(loaded(tmp_path), logprobs=0))


def test_penalties_leave_out_repetitions(tmp_path: Path) -> None:
    model = loaded(tmp_path, replies=["x y x y x y"])
    assert said(model, presence_penalty=1.5) == "x y x"
    assert said(model, frequency_penalty=0.6) == "x y x y x"
    assert said(model, presence_penalty=0.5) == "x y x y x y"


def test_a_misspelled_behaviour_is_refused(tmp_path: Path) -> None:
    with pytest.raises(msgspec.ValidationError, match="repiles"):
        fake_model(tmp_path, "m", repiles=["x"])
    path = tmp_path / "bad.fake"
    path.write_text('{"delay": "long"}', encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"bad\.fake"):
        FakeLoader().load(ModelFiles(path, "fake", 1), FakeOptions())
