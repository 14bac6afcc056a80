"""Causal models that keep other things than keys and values: small ones of random weights."""

import threading
from typing import Any

import pytest
import torch

from jackfield import LoaderError, Prompt, SamplingParams
from jackfield_loaders.transformers.caches import is_whole
from jackfield_loaders.transformers.model import CausalModel
from small_models import byte_tokenizer, random_model

TOKENIZER = byte_tokenizer("</s>")
VOCABULARY = 257
PROMPTS = ["A calm sea.", "Wind from the north, fog until noon. " * 4, "Once"]
KINDS: dict[str, dict[str, Any]] = {
    "lfm2": {"layer_types": ["conv", "full_attention"], "block_multiple_of": 8},
    "minimax": {
        "layer_types": ["linear_attention", "full_attention"],
        "head_dim": 8,
        "num_local_experts": 2,
        "num_experts_per_tok": 1,
        "block_size": 16,
    },
}


def said(model: CausalModel, prompt: str) -> list[int | None]:
    params = SamplingParams(temperature=0, max_tokens=10, ignore_eos=True, logprobs=0)
    tokens = model.complete(Prompt(prompt), params)
    return [token.id for token in tokens if token.id is not None]


@pytest.mark.parametrize("kind", KINDS)
def test_models_with_another_state_write_what_generate_writes(kind):
    made = random_model(kind, vocabulary=VOCABULARY, **KINDS[kind])
    assert is_whole(made)
    expected = []
    for prompt in PROMPTS:
        ids = TOKENIZER(prompt)["input_ids"]
        found = made.generate(torch.tensor([ids]), max_new_tokens=10, do_sample=False)
        expected.append(found[0, len(ids) :].tolist())
    model = CausalModel(made, TOKENIZER, n_ctx=256, parallel=3)
    try:
        assert model.info.parallel == 1
        together: dict[str, list[int | None]] = {}
        threads = [
            threading.Thread(target=lambda one=one: together.update({one: said(model, one)}))
            for one in PROMPTS
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [together[one] for one in PROMPTS] == expected
    finally:
        model.close()


def test_plain_caches_and_those_of_shared_layers_are_batched():
    sliding = {"head_dim": 8, "sliding_window": 16, "layer_types": ["sliding_attention"] * 2}
    assert not is_whole(random_model())
    assert not is_whole(random_model("gemma3_text", **sliding))


def test_a_model_without_a_cache_says_so():
    sizes = {"n_embd": 32, "n_head": 4, "n_layer": 2, "n_positions": 256}
    made = random_model("openai-gpt", vocabulary=VOCABULARY, **sizes)
    model = CausalModel(made, TOKENIZER, n_ctx=256, parallel=2)
    try:
        with pytest.raises(LoaderError, match="'openai-gpt' keep no KV cache that Jackfield"):
            said(model, "Once")
    finally:
        model.close()
