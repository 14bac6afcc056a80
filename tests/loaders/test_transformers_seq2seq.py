"""Sequence-to-sequence models: a real translator, and small ones of other families made here."""

import math
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from api_server import Server
from jackfield import (
    InvalidRequest,
    LoadFailed,
    ModelFiles,
    Prompt,
    PromptTooLong,
    SamplingParams,
    Token,
)
from jackfield.application import Application
from jackfield.catalog.model import describe
from jackfield.templates.renderer import Renderer
from jackfield.testing import WorkerModel
from jackfield_loaders.transformers import TransformersLoader
from jackfield_loaders.transformers.options import TransformersOptions
from memory_meter import files_of

LOADER = TransformersLoader()
HELLO = "Hello, how are you?"
SENTENCES = [
    HELLO,
    "The weather is nice today and we are going to the beach.",
    "I have never seen such a big dog in my whole life!",
    "Where is the station?",
    "She said: « Zoë is naïve » — and left for 日本, then Россия 🙂.",
    "One.\n\nTwo, three;  four and the price of it was 3,141.59 euros (VAT included).",
]
PAD = 59513


@pytest.fixture(scope="module")
def files(opus_mt: Path) -> ModelFiles:
    return files_of(opus_mt)


@pytest.fixture(scope="module")
def model(files):
    loaded = LOADER.load(files, options())
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def peer(opus_mt):
    """Transformers' own model and tokenizer."""
    with pytest.warns(UserWarning, match="sacremoses"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(opus_mt)
    return transformers.AutoModelForSeq2SeqLM.from_pretrained(opus_mt).eval(), tokenizer


def options(**more: Any) -> TransformersOptions:
    usual = {"n_ctx": 512, "parallel": 4, "device": "cpu", "dtype": "float32", "threads": 1}
    return TransformersOptions(**{**usual, **more})


def begin(model, source: str, **sampling: Any) -> Iterator[Token]:
    return model.complete(Prompt(source), SamplingParams(**{"temperature": 0, **sampling}))


def said(model, source: str, **sampling: Any) -> str:
    return "".join(token.text for token in begin(model, source, **sampling))


def at_once(model, sources: list[str], **sampling: Any) -> list[str]:
    found = [""] * len(sources)

    def ask(number: int) -> None:
        found[number] = said(model, sources[number], **sampling)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(sources))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return found


@pytest.fixture
def often() -> Iterator[None]:
    """Threads take turns as often as can be, so that what is not guarded breaks."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


# What it is


def test_the_catalog_takes_a_translator_for_a_model_that_writes(opus_mt):
    found = describe(opus_mt)
    assert found is not None
    assert (found.error, found.writes, found.architecture) == ("", True, "marian")
    assert found.context_length == 512
    match = LOADER.probe(found.files)
    assert match is not None
    assert "MarianMTModel" in match.reason


@pytest.mark.parametrize(
    ("kind", "architecture"), [("t5", "T5EncoderModel"), ("whisper", "WhisperModel")]
)
def test_what_has_no_decoder_for_texts_is_left_to_others(kind, architecture):
    config = {"architectures": [architecture], "model_type": kind, "is_encoder_decoder": True}
    assert LOADER.probe(ModelFiles(Path("x"), "safetensors", 1, {"config": config})) is None


def test_it_tells_how_much_it_reads_and_which_parameters_take_effect(model):
    assert (model.info.context_length, model.info.trained_context) == (512, 512)
    assert model.info.parallel == 4
    assert {"seed", "logprobs", "stop", "top_p"} <= model.info.sampling_fields
    assert not {"grammar", "json_schema"} & model.info.sampling_fields


def test_the_estimate_is_near_what_a_worker_takes(files):
    alone = options(parallel=1)
    with WorkerModel(LOADER, files, alone) as model:
        assert "comment" in said(model, HELLO)
        measured = model.memory
    estimate = LOADER.estimate(files, alone)
    assert estimate.weights == pytest.approx(files.size, rel=0.01)
    # Of 512 positions: keys and values of 6 layers, written and read, and what was encoded.
    assert estimate.kv_cache == 512 * (2 * 2 * 6 * 512 + 512) * 4
    assert estimate.total == pytest.approx(measured, rel=0.15)


# What it writes


@pytest.mark.parametrize("sentence", SENTENCES)
def test_translations_are_those_of_transformers_own_generate(model, peer, sentence):
    theirs, tokenizer = peer
    inputs = tokenizer(sentence, return_tensors="pt")
    made = theirs.generate(**inputs, num_beams=1, do_sample=False)[0]
    tokens = list(begin(model, sentence))
    expected = tokenizer.decode(made, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert "".join(token.text for token in tokens) == expected
    assert tokens[-1].finish == "stop"
    assert tokens[-1].prompt_tokens == inputs["input_ids"].shape[1]
    assert tokens[-1].completion_tokens == len(made) - 1  # theirs begins with the start token


def test_it_greets_in_french_word_by_word(model):
    pieces = [token.text for token in begin(model, HELLO) if token.text]
    assert "".join(pieces) == "Bonjour, comment allez-vous ?"
    assert len(pieces) > 4


def test_log_probabilities_are_those_of_transformers(model, peer):
    theirs, tokenizer = peer
    inputs = tokenizer(HELLO, return_tensors="pt")
    made = theirs.generate(
        **inputs,
        num_beams=1,
        do_sample=False,
        output_scores=True,
        return_dict_in_generate=True,
    )
    expected = theirs.compute_transition_scores(made.sequences, made.scores, normalize_logits=True)[
        0
    ].tolist()
    tokens = [token for token in begin(model, HELLO, logprobs=20) if token.id is not None]
    found = [token.logprob for token in tokens]
    assert found == pytest.approx(expected[: len(found)], abs=1e-3)
    for token in tokens:
        assert 0.5 < sum(math.exp(one.logprob) for one in token.top) <= 1.001
        assert PAD not in [one.id for one in token.top]


def test_max_tokens_cuts_and_says_so(model):
    whole = said(model, SENTENCES[1])
    *_, last = tokens = list(begin(model, SENTENCES[1], max_tokens=3))
    assert (last.finish, last.completion_tokens) == ("length", 3)
    assert whole.startswith("".join(token.text for token in tokens))


def test_a_stop_string_ends_the_reply_before_it(model):
    *_, last = tokens = list(begin(model, HELLO, stop=["allez-"]))
    assert "".join(token.text for token in tokens) == "Bonjour, comment "
    assert last.finish == "stop"


def test_a_seed_repeats_and_seeds_differ(model):
    texts = [said(model, SENTENCES[1], temperature=1.5, seed=seed) for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_a_banned_word_is_not_said_and_no_filling_is_ever_written(model):
    assert "Bonjour" not in said(model, HELLO, banned_strings=["Bonjour"])
    for seed in range(3):
        tokens = list(begin(model, HELLO, temperature=5, seed=seed, logprobs=0, max_tokens=20))
        assert PAD not in [token.id for token in tokens]


def test_penalties_are_for_what_it_wrote_and_not_for_what_it_read(model):
    source = "Paris Paris Paris Paris Paris Paris Paris"
    plain = said(model, source)
    assert plain.count("Paris") > 2
    penalized = said(model, source, presence_penalty=2.0, frequency_penalty=2.0)
    assert penalized.startswith("Paris")
    assert penalized.count("Paris") < plain.count("Paris")


def test_a_text_is_read_up_to_the_last_token_and_refused_beyond(model):
    source = "dog " * 511
    assert model.count(source) == 511
    *_, last = begin(model, source, max_tokens=1)
    assert last.prompt_tokens == 512  # the end token is read too
    with pytest.raises(PromptTooLong, match="513 tokens and the model reads 512") as refused:
        begin(model, source + "dog")
    assert (refused.value.details["tokens"], refused.value.details["limit"]) == (513, 512)
    assert said(model, HELLO).startswith("Bonjour")


def test_an_empty_text_is_refused_and_so_is_half_a_character(model):
    with pytest.raises(InvalidRequest, match="empty"):
        begin(model, "")
    with pytest.raises(InvalidRequest, match="half a character"):
        begin(model, "a\ud800b")


def test_its_tokenizer_counts_and_gives_texts_back(model):
    tokens = model.tokenize(HELLO)
    assert model.count(HELLO) == len(tokens) == 6
    assert model.detokenize(tokens) == HELLO
    assert model.tokenize("</s>") == [0]
    assert 0 not in model.tokenize("</s>", special=False)
    with pytest.raises(InvalidRequest, match="no token 59514"):
        model.detokenize([59514])


def test_plugins_change_scores_and_are_told_what_was_read_and_written(model):
    hello = next(begin(model, HELLO, logprobs=0)).id
    told: list[list[int]] = []

    def without_hello(tokens: Any, scores: Any) -> Any:
        told.append(list(tokens))
        scores[hello] = -math.inf
        return scores

    prompt, params = Prompt(HELLO), SamplingParams(temperature=0)
    tokens = list(model.complete_processed(prompt, params, [without_hello]))
    text = "".join(token.text for token in tokens)
    assert text
    assert "Bonjour" not in text
    source = model.tokenize(HELLO)
    assert told[0] == source
    assert [len(one) for one in told] == [len(source) + step for step in range(len(told))]


# Several at once


def test_banned_words_of_one_request_do_not_disturb_what_another_reads(model, often):
    done = threading.Event()
    expected = {source: model.tokenize(source) for source in SENTENCES}
    wrong: list[str] = []

    def read() -> None:
        while not done.is_set():
            wrong.extend(one for one in SENTENCES if model.tokenize(one) != expected[one])

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(5):
        said(model, HELLO, banned_strings=["Bonjour"] * 50, max_tokens=1)
    done.set()
    reader.join(60)
    assert not wrong


def test_requests_at_once_and_more_than_slots_do_not_mix(model):
    sources = [*SENTENCES, *SENTENCES[::-1]]
    alone = [said(model, source) for source in sources]
    assert at_once(model, sources) == alone


def test_one_that_comes_later_and_one_that_leaves_change_nothing(model):
    long, short = SENTENCES[1], SENTENCES[3]
    alone = [said(model, long), said(model, short)]
    running = begin(model, long)
    begun = [next(running) for _ in range(4)]
    leaving = begin(model, SENTENCES[2])
    next(leaving)
    joined = said(model, short)
    leaving.close()
    rest = list(running)
    assert joined == alone[1]
    assert "".join(token.text for token in [*begun, *rest]) == alone[0]
    assert next(leaving, None) is None


def test_a_cancelled_request_frees_its_slot(model):
    for _ in range(6):
        endless = begin(model, HELLO, ignore_eos=True)
        next(endless)
        endless.close()
    assert at_once(model, [HELLO] * 4) == ["Bonjour, comment allez-vous ?"] * 4


def test_one_that_cannot_be_computed_leaves_the_others_alone(model):
    def broken(tokens: Any, scores: Any) -> Any:
        raise ValueError("out of order")

    running = begin(model, SENTENCES[1])
    begun = next(running)
    request = model.complete_processed(Prompt(HELLO), SamplingParams(), [broken])
    with pytest.raises(Exception, match="out of order"):
        list(request)
    rest = "".join(token.text for token in running)
    assert begun.text + rest == said(model, SENTENCES[1])


# Through all of Jackfield


def test_the_template_takes_the_last_message_of_the_user_alone(model):
    messages = [
        {"role": "system", "content": "You are a translator."},
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": "Un."},
        {"role": "user", "content": "Two."},
    ]
    rendered = Renderer().render(
        "its own", model.info.chat_template, {"messages": messages, "add_generation_prompt": True}
    )
    assert rendered == "Two."


def test_it_is_served_in_chats_and_completions(paths, opus_mt):
    (paths.models / "translator").symlink_to(opus_mt)
    paths.settings.write_text(
        "[models.translator]\n"
        'options = { n_ctx = 512, parallel = 2, device = "cpu", threads = 1 }\n'
    )
    with Server(Application.create(paths)) as server:
        chat = server.chat(HELLO, model="translator", temperature=0)
        assert chat.choices[0].message.content == "Bonjour, comment allez-vous ?"
        assert chat.choices[0].finish_reason == "stop"
        assert (chat.usage.prompt_tokens, chat.usage.completion_tokens) == (7, 8)
        stream = server.chat(SENTENCES[3], model="translator", temperature=0, stream=True)
        pieces = [part.choices[0].delta.content or "" for part in stream if part.choices]
        whole = server.openai.completions.create(
            model="translator", prompt=SENTENCES[3], temperature=0
        )
        assert whole.choices[0].text == "".join(pieces)
        assert len([piece for piece in pieces if piece]) > 2


# Weights in other places and formats


def test_pickled_weights_open_where_that_is_allowed(opus_mt, tmp_path: Path):
    folder = tmp_path / "pickled"
    folder.mkdir()
    for path in opus_mt.iterdir():
        if path.suffix != ".safetensors":
            (folder / path.name).symlink_to(path)
    weights = transformers.AutoModelForSeq2SeqLM.from_pretrained(opus_mt).state_dict()
    torch.save(weights, folder / "pytorch_model.bin")
    files = files_of(folder)
    assert files.format == "pickle"
    with pytest.raises(LoadFailed, match="pickle"):
        LOADER.load(files, options())
    with WorkerModel(LOADER, files, options(allow_pickle=True)) as model:
        assert said(model, HELLO) == "Bonjour, comment allez-vous ?"


def test_layers_on_disk_are_refused_and_the_folder_for_them_goes(files, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    limited = options(parallel=1, max_memory="cpu=200MB", offload="disk")
    with pytest.raises(LoadFailed, match="not kept on disk") as refused:
        WorkerModel(LOADER, files, limited).close()
    assert "offload" in refused.value.hint
    assert not list(tmp_path.glob("jackfield-offload-*"))


@pytest.mark.parametrize("quantization", ["8-bit", "4-bit"])
def test_in_fewer_bits_it_translates_too(files, quantization):
    short = options(parallel=1, quantization=quantization, dtype="bfloat16")
    with WorkerModel(LOADER, files, short) as model:
        assert "comment" in said(model, HELLO)
