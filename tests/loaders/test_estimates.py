"""Estimates against memory that real models really take, each in a process of its own."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import parts
from jackfield import Loader, MemoryEstimate
from memory_meter import files_of

CLOSE = 0.15
GGUF = "jackfield_loaders.gguf:GgufLoader"
TRANSFORMERS = "jackfield_loaders.transformers:TransformersLoader"
SENTENCES = "jackfield_loaders.sentence_transformers:SentenceTransformersLoader"
BACK_ENDS = {
    GGUF: ["xllamacpp", "jackfield_loaders.gguf.xllamacpp_engine"],
    TRANSFORMERS: [
        "bitsandbytes",
        "torchao.quantization",
        "jackfield_loaders.transformers.opening",
        "transformers.models.llama.modeling_llama",
    ],
    SENTENCES: [
        "sentence_transformers",
        "jackfield_loaders.sentence_transformers.encoder",
    ],
}


class Case(msgspec.Struct, frozen=True):
    """A model with options."""

    loader: str
    path: Path
    options: dict[str, Any]

    def estimate(self) -> MemoryEstimate:
        module, _, name = self.loader.partition(":")
        loader: Loader = getattr(importlib.import_module(module), name)()
        options = loader.Options.model_validate(self.options)
        return loader.estimate(files_of(self.path), options)

    def measure(self, fill: int, at_once: int = 1) -> dict[str, int]:
        """Bytes with the back-end imported, the model loaded, and the context filled."""
        request = {
            "loader": self.loader,
            "back_end": BACK_ENDS[self.loader],
            "path": str(self.path),
            "options": self.options,
            "fill": fill,
            "at_once": at_once,
        }
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        program = str(Path(__file__).parents[1] / "memory_meter.py")
        command = [sys.executable, program, json.dumps(request)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        measured: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
        return measured


def gguf(path: Path, context: int, **options: Any) -> Case:
    given = {"n_ctx": context, "parallel": 1, "n_threads": 1, "n_gpu_layers": 0} | options
    return Case(GGUF, path, given)


def folder(path: Path, dtype: str, **options: Any) -> Case:
    given = {"n_ctx": 2048, "parallel": 2, "threads": 1, "device": "cpu", "dtype": dtype} | options
    return Case(TRANSFORMERS, path, given)


def close(estimated: float, measured: float) -> bool:
    return abs(estimated - measured) <= CLOSE * measured


@pytest.mark.parametrize("name", ["smollm2", "qwen"])
def test_weights_cache_and_whole_of_a_gguf_model(name: str) -> None:
    path = getattr(parts, name)()
    short, long = gguf(path, 256), gguf(path, 8192)
    few, many = short.measure(64), long.measure(64)
    low, high = short.estimate(), long.estimate()
    cache = many["loaded"] - few["loaded"]
    assert close(high.kv_cache - low.kv_cache, cache)
    assert close(low.total, few["filled"])
    assert close(high.total, many["filled"])
    # Beside the file's pages Qwen has a second copy of most weights, in the processor's order.
    copied = name == "qwen"
    rest = few["filled"] - few["imported"] - low.kv_cache
    assert close(low.weights, rest if copied else few["mapped"])


def test_quantized_caches_and_several_slots_of_a_gguf_model(smollm2: Path) -> None:
    kinds = {"cache_type_k": "q8_0", "cache_type_v": "q8_0", "parallel": 2}
    short, long = gguf(smollm2, 256, **kinds), gguf(smollm2, 8192, **kinds)
    cache = long.measure(64)["loaded"] - short.measure(64)["loaded"]
    assert close(long.estimate().kv_cache - short.estimate().kv_cache, cache)


def test_weights_of_a_folder_by_the_difference_of_two_formats(smollm2_folder: Path) -> None:
    cases = {name: folder(smollm2_folder, name) for name in ("float32", "bfloat16")}
    measured = {name: case.measure(0)["filled"] for name, case in cases.items()}
    expected = {name: case.estimate().weights for name, case in cases.items()}
    # Two bytes a weight lie between them: so much do the weights take in bfloat16.
    half = measured["float32"] - measured["bfloat16"]
    assert close(expected["bfloat16"], half)
    assert close(expected["float32"], 2 * half)


def test_weights_of_a_folder_in_fewer_bits_by_what_they_save(smollm2_folder: Path) -> None:
    taken, expected = {}, {}
    for quantization in ("none", "8-bit", "4-bit"):
        case = folder(smollm2_folder, "bfloat16", quantization=quantization)
        measured = case.measure(0)
        taken[quantization] = measured["loaded"] - measured["imported"]
        expected[quantization] = case.estimate().weights
    for fewer in ("8-bit", "4-bit"):
        saved = taken["none"] - taken[fewer]
        assert close(expected["none"] - expected[fewer], saved), fewer


def test_the_cache_of_a_folder_grows_as_it_is_filled(smollm2_folder: Path) -> None:
    case = folder(smollm2_folder, "float32")
    grown = case.measure(1536, 2)["filled"] - case.measure(64, 2)["filled"]
    each = case.estimate().kv_cache / (2048 * 2)
    assert close(each * (1536 - 64) * 2, grown)


def test_an_embedding_model(minilm: Path) -> None:
    options = {"device": "cpu", "dtype": "float32", "n_threads": 1}
    case = Case(SENTENCES, minilm, options)
    measured = case.measure(0)
    assert close(case.estimate().weights, measured["mapped"])
