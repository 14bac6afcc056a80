"""Texts, stops and bans of causal models, by tokenizers of several kinds: small ones made here."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from jackfield import Prompt, SamplingParams
from jackfield_loaders.transformers.model import CausalModel
from jackfield_loaders.transformers.reply import Words
from jackfield_loaders.transformers.sampler import Sampler
from jackfield_loaders.transformers.tokens import bias, special_among
from small_models import byte_tokenizer, piece_tokenizer, random_model

END, TURN = "<|endoftext|>", "<|im_end|>"
CHAT = f"user{TURN}" * 20
BYTES = byte_tokenizer(END, TURN)
PIECES = piece_tokenizer(["▁The", "▁is", "▁Paris", "Paris", "]", "▁", "\n"])


@pytest.fixture(scope="module")
def model() -> Iterator[CausalModel]:
    made = CausalModel(random_model(vocabulary=258), BYTES, n_ctx=256, parallel=2)
    yield made
    made.close()


def ids(*pieces: str) -> list[int]:
    return list(PIECES.convert_tokens_to_ids(list(pieces)))


def byte_pieces(text: str) -> list[str]:
    return [f"<0x{byte:02X}>" for byte in text.encode()]


def spelled(after: Sequence[int], *pieces: str) -> str:
    words = Words(PIECES, after)
    return "".join([*(words.add(token) for token in ids(*pieces)), words.flush()])


def test_special_tokens_as_plain_text_do_not_disturb_what_another_request_reads(model):
    expected = model.tokenize(CHAT)
    done = threading.Event()
    wrong: list[list[int]] = []

    def read() -> None:
        while not done.is_set():
            wrong.extend(one for one in [model.tokenize(CHAT)] if one != expected)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    lengths = {len(model.tokenize(TURN, special=False)) for _ in range(3000)}
    done.set()
    for reader in readers:
        reader.join(60)
    assert not wrong
    assert lengths == {len(TURN)}


# Stops


def written(model: CausalModel, monkeypatch: pytest.MonkeyPatch, **sampling: Any) -> str:
    """What a model that has "ab", the end of its turn and "c" in mind gives."""
    tokens = iter(BYTES(f"ab{TURN}c{END}" + "d" * 20)["input_ids"])
    params = SamplingParams(temperature=0, max_tokens=8, **sampling)

    def choose(sampler: Any, logits: Any) -> Any:
        return original(sampler, logits)._replace(token=next(tokens))

    original = Sampler.choose
    monkeypatch.setattr(Sampler, "choose", choose)
    *_, last = found = list(model.complete(Prompt("x"), params.model_copy(update={"logprobs": 0})))
    return f"{''.join(token.text for token in found)} {last.finish}"


@pytest.mark.parametrize("ignore", [False, True])
def test_a_special_token_stops_a_reply_that_names_it(model, monkeypatch, ignore):
    assert written(model, monkeypatch, stop=[TURN], ignore_eos=ignore) == "ab stop"


def test_special_tokens_that_no_stop_names_do_not(model, monkeypatch):
    assert written(model, monkeypatch, stop=["user"]) == "abc stop"
    monkeypatch.undo()
    assert written(model, monkeypatch, stop=["user"], ignore_eos=True) == "abcddd length"


def test_only_texts_that_are_one_special_token_count(model):
    found = special_among([TURN, "a", "", f"{TURN}a"], BYTES, model.tokenize)
    assert found == set(model.tokenize(TURN))
    assert special_among(["日", "</s>"], PIECES, lambda text: ids(text)) == set(ids("</s>"))


# Texts


@pytest.mark.parametrize(
    "before",
    [
        ids("<s>", "▁The", "▁is"),
        ids("<s>", "]"),
        ids("<s>", "▁The", "</s>"),
        ids("<s>", "▁The", *["</s>"] * 9),
        ids("▁The", *byte_pieces("🙂")),
        ids("▁The", "\n"),
        ids("▁The", "▁"),
    ],
    ids=["word", "bracket", "special", "many special", "emoji", "line", "blank"],
)
def test_a_reply_that_goes_on_from_a_text_keeps_its_first_blank(before):
    assert spelled(before, "▁Paris", "▁is") == " Paris is"
    assert spelled(before, "Paris", "▁is") == "Paris is"
    words = Words(PIECES, before)
    assert [words.one(token) for token in ids("▁Paris", "Paris", "</s>")] == [
        " Paris",
        "Paris",
        "</s>",
    ]


def test_a_reply_that_begins_a_text_has_none():
    assert spelled([], "▁Paris", "▁is") == "Paris is"
    assert spelled(ids("<s>"), "▁Paris") == "Paris"


@pytest.mark.parametrize("before", [[], ids("▁The"), ids("▁The", *byte_pieces("🙂"))])
def test_characters_of_several_tokens_come_whole_and_halves_not_at_all(before):
    words = Words(PIECES, before)
    pieces = [words.add(token) for token in ids(*byte_pieces("🙂"), *byte_pieces("é"))]
    assert pieces == ["", "", "", "🙂", "", "é"]
    half = Words(PIECES, before)
    assert [half.add(token) for token in ids(*byte_pieces("🙂")[:2])] == ["", ""]
    assert half.flush() == ""
    assert half.one(ids("<0xF0>")[0]) == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("before", ["", "x", "x ", f"x{TURN}", "🙂", f"{TURN}\n"])
def test_tokenizers_of_bytes_spell_as_ever(before):
    words = Words(BYTES, BYTES(before)["input_ids"])
    assert "".join(words.add(token) for token in BYTES(" hé🙂 you")["input_ids"]) == " hé🙂 you"


# Bans


def test_an_empty_ban_bans_nothing(model):
    def spell(text: str) -> list[int]:
        return model.tokenize(text, special=False)

    assert bias(SamplingParams(banned_strings=["", ""]), 258, spell) == {}
    assert set(bias(SamplingParams(banned_strings=["a"]), 258, spell)) == {
        *spell("a"),
        *spell("A"),
    }
