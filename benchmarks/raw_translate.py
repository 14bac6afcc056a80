"""An opus-mt model with Transformers' ``generate`` and nothing around it."""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main(folder: str, threads: str, beam: str) -> None:
    """Answer ``{"batches": [[text, ...], ...]}`` until the pipe is closed."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    torch.set_num_threads(int(threads))
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()

    def translate(batch: list[str]) -> list[str]:
        given = tokenizer(batch, return_tensors="pt", padding=True)
        with torch.inference_mode():
            made = model.generate(**given, num_beams=int(beam), max_new_tokens=128)
        said: list[str] = tokenizer.batch_decode(made, skip_special_tokens=True)
        return said

    translate(["warm up"])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        batches = json.loads(line)["batches"]
        begun = time.perf_counter()
        count = sum(len(translate(batch)) for batch in batches)
        print(json.dumps({"rate": count / (time.perf_counter() - begun)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
