"""Families of sequence-to-sequence models, small and of random weights: they write what
Transformers' own generate writes, alone and at once, and their own settings hold.
"""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers

from jackfield import LoaderError, LoadFailed, ModelFiles, Prompt, SamplingParams, Token
from jackfield_loaders.transformers import TransformersLoader
from jackfield_loaders.transformers.options import TransformersOptions
from memory_meter import files_of

LOADER = TransformersLoader()
BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_ffn_dim": 64,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 64,
    "bos_token_id": 2,
    "forced_eos_token_id": None,
}
T5 = {"d_model": 32, "d_kv": 8, "num_heads": 4, "num_layers": 2, "d_ff": 64}
FAMILIES = {
    **dict.fromkeys(("bart", "blenderbot", "m2m_100", "marian", "mbart", "mvp"), BART),
    **dict.fromkeys(("blenderbot-small", "pegasus", "plbart"), BART),
    **dict.fromkeys(("longt5", "mt5", "t5", "umt5"), T5),
}


def options(**more: Any) -> TransformersOptions:
    usual = {"n_ctx": 64, "parallel": 3, "device": "cpu", "dtype": "float32", "threads": 1}
    return TransformersOptions(**{**usual, **more})


def begin(model, source: str, **sampling: Any) -> Iterator[Token]:
    return model.complete(Prompt(source), SamplingParams(**{"temperature": 0, **sampling}))


def byte_tokenizer(folder: Path) -> int:
    """Save a tokenizer whose tokens are bytes; how many there are."""
    pre = tokenizers.pre_tokenizers.ByteLevel
    words = ["<pad>", "</s>", "<s>", *sorted(pre.alphabet())]
    vocab = {word: number for number, word in enumerate(words)}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=[]))
    made.pre_tokenizer = pre(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>"
    ).save_pretrained(folder)
    return len(words)


def random_model(folder: Path, kind: str, **more: Any) -> ModelFiles:
    """A model of a family that writes something else for each text."""
    size = byte_tokenizer(folder)
    torch.manual_seed(0)
    usual = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    config = transformers.AutoConfig.for_model(
        kind, vocab_size=size, **{**usual, **FAMILIES[kind], **more}
    )
    made = transformers.AutoModelForSeq2SeqLM.from_config(config)
    for parameter in made.parameters():
        if parameter.dim() > 1:
            parameter.data *= 4
    made.save_pretrained(folder)
    return files_of(folder)


def generated(folder: Path, source: str, limit: int) -> list[int]:
    """What Transformers writes, without the start token and the end token."""
    made = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(source, return_tensors="pt", return_token_type_ids=False)
    found = made.generate(**inputs, num_beams=1, do_sample=False, max_new_tokens=limit)
    return [token for token in found[0].tolist()[1:] if token != 1]


def ids(model, source: str, limit: int) -> list[int]:
    tokens = begin(model, source, max_tokens=limit, logprobs=0)
    return [token.id for token in tokens if token.id is not None]


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_each_family_writes_what_generate_does_alone_and_at_once(kind, tmp_path: Path):
    files = random_model(tmp_path, kind)
    model = LOADER.load(files, options())
    try:
        sources = ["hello", "a longer text, é", "xyz xyz xyz"]
        expected = [generated(tmp_path, source, 12) for source in sources]
        assert [ids(model, source, 12) for source in sources] == expected
        found: dict[str, list[int]] = {}

        def ask(source: str) -> None:
            found[source] = ids(model, source, 12)

        threads = [threading.Thread(target=ask, args=(source,)) for source in sources]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [found[source] for source in sources] == expected
    finally:
        model.close()


def test_a_reply_without_an_end_ends_where_the_decoder_is_full(tmp_path: Path):
    model = LOADER.load(random_model(tmp_path, "bart", forced_eos_token_id=1), options(n_ctx=512))
    try:
        assert model.info.context_length == 64
        *_, last = begin(model, "hello", ignore_eos=True)
        assert (last.finish, last.completion_tokens) == ("length", 64)
    finally:
        model.close()


def test_a_t5_model_streams_and_reads_as_much_as_is_asked_for(tmp_path: Path):
    files = random_model(tmp_path, "t5")
    assert LOADER.estimate(files, options(n_ctx=600)).kv_cache > 0
    model = LOADER.load(files, options(n_ctx=600))
    try:
        assert model.info.context_length == 600
        *_, last = tokens = list(begin(model, "a" * 590, max_tokens=8, ignore_eos=True))
        assert last.prompt_tokens == 591
        assert len(tokens) > 2
        assert model.info.context_length > model.info.trained_context
    finally:
        model.close()


RULES = {
    "forced first token": {"forced_bos_token_id": 70},
    "forced first token, some not after it": {
        "forced_bos_token_id": 70,
        "begin_suppress_tokens": [*range(100, 259)],
    },
    "some not at the beginning": {"begin_suppress_tokens": [*range(100, 259)]},
    "some never": {"suppress_tokens": [*range(100, 259)]},
    "no bad words": {"bad_words_ids": [[number] for number in range(100, 259)]},
    "nothing twice": {"no_repeat_ngram_size": 1},
    "no end yet": {"min_length": 10, "suppress_tokens": [*range(3, 259)]},
    "no new end yet": {"min_new_tokens": 6, "suppress_tokens": [*range(3, 259)]},
}


@pytest.mark.parametrize("rule", RULES)
def test_what_a_models_own_settings_forbid_and_force_holds(rule, tmp_path: Path):
    files = random_model(tmp_path, "bart")
    free = generated(tmp_path, "hello", 12)
    settings = tmp_path / "generation_config.json"
    kept = json.loads(settings.read_text())
    settings.write_text(json.dumps({**kept, **RULES[rule]}))
    expected = generated(tmp_path, "hello", 12)
    assert expected != free
    model = LOADER.load(files, options())
    try:
        assert ids(model, "hello", 12) == expected
    finally:
        model.close()


def test_a_model_that_does_not_say_where_to_start_is_refused(tmp_path: Path):
    files = random_model(tmp_path, "t5", decoder_start_token_id=None)
    for name in ("config.json", "generation_config.json"):
        settings = json.loads((tmp_path / name).read_text())
        settings.pop("decoder_start_token_id", None)
        (tmp_path / name).write_text(json.dumps(settings))
    with pytest.raises(LoadFailed, match="decoder_start_token_id"):
        LOADER.load(files, options())


def test_its_end_token_ends_a_reply_that_names_it_as_a_stop_string(tmp_path: Path):
    model = LOADER.load(random_model(tmp_path, "t5"), options())
    forced = {"logit_bias": {1: 100}, "ignore_eos": True, "max_tokens": 5}
    try:
        assert list(begin(model, "A calm sea.", **forced))[-1].finish == "length"
        *_, last = begin(model, "A calm sea.", stop=["</s>"], **forced)
        assert (last.finish, last.completion_tokens) == ("stop", 1)
    finally:
        model.close()


def test_one_that_would_end_the_process_while_it_is_read_fails_alone(tmp_path: Path, monkeypatch):
    def leave(row: Any) -> None:
        raise SystemExit(3)

    model = LOADER.load(random_model(tmp_path, "t5"), options())
    try:
        with monkeypatch.context() as patch:
            patch.setattr(model._batch, "_encoded", leave)
            with pytest.raises(LoaderError, match="could not be read"):
                list(begin(model, "A calm sea."))
        assert list(begin(model, "A calm sea.", max_tokens=3))
    finally:
        model.close()
