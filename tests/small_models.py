"""Models and tokenizers that are made in an instant, with random weights."""

from collections.abc import Sequence
from typing import Any

import tokenizers
import torch
import transformers

LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}


def random_model(kind: str = "llama", *, vocabulary: int = 64, **more: Any) -> Any:
    """A causal model that writes something else for each text."""
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **{**LLAMA, "vocab_size": vocabulary, **more})
    made = transformers.AutoModelForCausalLM.from_config(config).eval().float()
    for parameter in made.parameters():
        if parameter.dim() > 1:
            parameter.data *= 4
    return made


def byte_tokenizer(*special: str) -> Any:
    """A tokenizer of bytes, its first tokens special; the very first ends a reply."""
    pre = tokenizers.pre_tokenizers.ByteLevel
    words = [*special, *sorted(pre.alphabet())]
    made = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab={word: at for at, word in enumerate(words)}, merges=[])
    )
    made.pre_tokenizer = pre(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=special[0], extra_special_tokens=list(special[1:])
    )


def piece_tokenizer(words: Sequence[str]) -> Any:
    """A tokenizer that decodes as those of Llama 2 and Mistral do: no blank begins a text."""
    known = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    vocab = {word: at for at, word in enumerate(known)}
    made = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab=vocab, merges=[], unk_token="<unk>", byte_fallback=True)
    )
    parts = tokenizers.decoders
    made.decoder = parts.Sequence(
        [parts.Replace("▁", " "), parts.ByteFallback(), parts.Fuse(), parts.Strip(" ", 1, 0)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
