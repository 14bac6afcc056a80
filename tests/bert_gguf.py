"""Writes a BERT model as a GGUF file, as llama.cpp reads it.

llama.cpp's WordPiece keeps a word's first piece with U+2581 before it and the others bare, where
BERT's own vocabulary keeps the first bare and the others with "##" before them.
"""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file

CLASSIFIER = {"bert.pooler.dense": "cls", "classifier": "cls.output"}
"""A cross-encoder's last layers, for which the map of tensor names has no BERT names."""


def write_gguf(folder: Path, made: Path) -> Path:
    """Convert an embedding model or a cross-encoder; matrices become float16."""
    config = json.loads((folder / "config.json").read_text())
    ranks = config["architectures"] == ["BertForSequenceClassification"]
    writer = gguf.GGUFWriter(str(made), "bert")
    writer.add_name(folder.name)
    _shape(writer, config)
    writer.add_pooling_type(gguf.PoolingType.RANK if ranks else gguf.PoolingType.MEAN)
    _vocabulary(writer, folder)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, config["num_hidden_layers"])
    for name, values in load_file(folder / "model.safetensors").items():
        base, _, kind = name.rpartition(".")
        if kind == "position_ids" or (base.endswith("pooler.dense") and not ranks):
            continue  # position numbers, and a layer that sentence embeddings do without
        found = CLASSIFIER.get(base) or names.get_name(base.removeprefix("bert."))
        assert found, name
        half = values.ndim == 2 and found not in ("token_types", "position_embd")
        writer.add_tensor(f"{found}.{kind}", values.astype(np.float16 if half else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return made


def _shape(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _vocabulary(writer: gguf.GGUFWriter, folder: Path) -> None:
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    words = sorted(vocabulary, key=vocabulary.__getitem__)
    special = [word.startswith("[") and word.endswith("]") for word in words]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")  # BERT's own rules; any other needs a name of its own
    writer.add_token_type_count(2)
    writer.add_token_list(
        [
            word if whole else word[2:] if word.startswith("##") else f"\u2581{word}"
            for word, whole in zip(words, special, strict=True)
        ]
    )
    writer.add_token_types(
        [gguf.TokenType.CONTROL if whole else gguf.TokenType.NORMAL for whole in special]
    )
    writer.add_bos_token_id(vocabulary["[CLS]"])
    writer.add_sep_token_id(vocabulary["[SEP]"])
    writer.add_eos_token_id(vocabulary["[SEP]"])
    writer.add_unk_token_id(vocabulary["[UNK]"])
    writer.add_pad_token_id(vocabulary["[PAD]"])
    writer.add_mask_token_id(vocabulary["[MASK]"])
