"""Transformers' ``generate`` with nothing around it: ``FOLDER DEVICE DTYPE THREADS``."""

from __future__ import annotations

import json
import sys
import time
from typing import Any


class Bare:
    """A model and its tokenizer, as Transformers' documentation loads them."""

    def __init__(self, folder: str, device: str, dtype: str, threads: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(threads)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device)

    def generate(self, prompts: list[str], tokens: int) -> int:
        """Greedy replies of one static batch; the number of tokens written."""
        import torch

        given = self._tokenizer(prompts, return_tensors="pt", padding=True).to(self._model.device)
        with torch.inference_mode():
            whole = self._model.generate(
                **given,
                max_new_tokens=tokens,
                do_sample=False,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        written = whole[:, given["input_ids"].shape[1] :]
        ends = self._model.generation_config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends])
        return sum(_length(row, ends) for row in written.tolist())


def _length(row: list[int], ends: set[int]) -> int:
    """Tokens up to the one that ends the reply, which counts."""
    return next((at + 1 for at, token in enumerate(row) if token in ends), len(row))


def main(folder: str, device: str, dtype: str, threads: str) -> None:
    """Answer ``{"batches": [[prompt, ...], ...], "tokens": n}`` until the pipe is closed."""
    bare = Bare(folder, device, dtype, int(threads))
    bare.generate(["warm up"], 4)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        begun = time.perf_counter()
        written = sum(bare.generate(batch, asked["tokens"]) for batch in asked["batches"])
        print(json.dumps({"rate": written / (time.perf_counter() - begun)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
