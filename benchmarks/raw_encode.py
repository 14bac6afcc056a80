"""Sentence Transformers' ``encode`` with nothing around it: ``FOLDER DEVICE THREADS``."""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main(folder: str, device: str, threads: str) -> None:
    """Answer ``{"batches": [[text, ...], ...]}`` until the pipe is closed."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(int(threads))
    model: Any = SentenceTransformer(folder, device=device)
    model.encode(["warm up"])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        batches = json.loads(line)["batches"]
        begun = time.perf_counter()
        count = sum(len(model.encode(batch, normalize_embeddings=True)) for batch in batches)
        print(json.dumps({"rate": count / (time.perf_counter() - begun)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
