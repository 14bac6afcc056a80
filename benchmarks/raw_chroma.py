"""Sentence Transformers and Chroma with nothing around them: ``FOLDER DEVICE THREADS``."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from typing import Any

BATCH = 64


def main(folder: str, device: str, threads: str) -> None:
    """Answer questions until the pipe is closed.

    ``add``: texts to embed and to add to an empty collection. ``random``: so many random vectors
    to add to one. ``query``: a text to embed and to look for, with ``count`` answers.
    """
    import chromadb
    import numpy as np
    import torch
    from chromadb.config import Settings
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(int(threads))
    model: Any = SentenceTransformer(folder, device=device)
    model.encode(["warm up"])
    with tempfile.TemporaryDirectory() as place:
        client = chromadb.PersistentClient(place, settings=Settings(anonymized_telemetry=False))
        collection: Any = None
        print(json.dumps({"ready": True}), flush=True)
        for number, line in enumerate(sys.stdin):
            asked = json.loads(line)
            if "query" not in asked:
                collection = client.create_collection(
                    f"bare-{number}",
                    embedding_function=None,
                    configuration={"hnsw": {"space": "cosine"}},
                )
            begun = time.perf_counter()
            if "add" in asked:
                texts = asked["add"]
                for at in range(0, len(texts), BATCH):
                    vectors = model.encode(texts[at : at + BATCH], normalize_embeddings=True)
                    ids = [str(one) for one in range(at, at + len(vectors))]
                    collection.add(ids=ids, embeddings=vectors, documents=texts[at : at + BATCH])
            elif "random" in asked:
                chance = np.random.default_rng(asked["seed"])
                for at in range(0, asked["random"], 1_000):
                    rows = chance.normal(size=(1_000, asked["width"])).astype(np.float32)
                    ids = [str(one) for one in range(at, at + 1_000)]
                    collection.add(ids=ids, embeddings=rows)
            else:
                vector = model.encode([asked["query"]], normalize_embeddings=True)
                collection.query(query_embeddings=vector, n_results=asked["count"])
            print(json.dumps({"seconds": time.perf_counter() - begun}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
