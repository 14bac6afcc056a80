"""Each load option is taken by the engine, and does what it says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter
from pydantic import ValidationError

from jackfield import LoadedModel, ModelFiles, Prompt, SamplingParams
from jackfield.catalog.gguf import read_gguf
from jackfield_loaders.gguf import GgufLoader
from jackfield_loaders.gguf.options import GgufOptions, adapter
from jackfield_loaders.gguf.processor import threads
from jackfield_loaders.gguf.sampling import adjusted, biases

ENGINES = ("xllamacpp", "llama-cpp-python")
FRANCE = "The capital of France is"


def reply(files: ModelFiles, limit: int = 4, **options: Any) -> tuple[str, LoadedModel]:
    """A short greedy reply with these options; the model is closed."""
    given = {"n_ctx": 512, "parallel": 1, "n_threads": 1} | options
    model = GgufLoader().load(files, GgufOptions(**given))
    try:
        params = SamplingParams(temperature=0, max_tokens=limit)
        text = "".join(token.text for token in model.complete(Prompt(FRANCE), params))
    finally:
        model.close()
    return text, model


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "options",
    [
        {"n_threads": 0, "n_threads_batch": 1},
        {"n_batch": 32, "n_ubatch": 32},
        {"n_gpu_layers": 0, "offload_kv": False},
        {"n_gpu_layers": 99, "main_gpu": 0, "tensor_split": [3.0, 1.0], "split_mode": "none"},
        {"split_mode": "row"},
        {"flash_attention": "on"},
        {"flash_attention": "off"},
        {"use_mmap": False},
        {"use_mlock": True},
        {"use_mmap": False, "use_mlock": True},
        {"swa_full": True},
        {"prompt_cache_mb": 16},
        {"parallel": 3},
    ],
    ids=str,
)
def test_an_option_that_changes_no_numbers_is_taken(
    smollm2_files: ModelFiles, engine: str, options: dict[str, Any]
) -> None:
    text, model = reply(smollm2_files, engine=engine, **options)
    assert text.startswith(" Paris.")
    assert model.info.context_length == 512


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"])
def test_a_cache_type_is_taken(smollm2_files: ModelFiles, engine: str, kind: str) -> None:
    text, _ = reply(smollm2_files, engine=engine, cache_type_k=kind, cache_type_v=kind)
    assert text


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "options",
    [
        {"rope_scaling": "linear", "rope_freq_scale": 0.1},
        {"rope_freq_base": 100.0},
        {"rope_scaling": "yarn", "rope_freq_scale": 0.1, "yarn_orig_ctx": 128},
    ],
    ids=str,
)
def test_positions_are_scaled(
    smollm2_files: ModelFiles, engine: str, options: dict[str, Any]
) -> None:
    plain, _ = reply(smollm2_files, 12, engine=engine)
    assert reply(smollm2_files, 12, engine=engine, **options)[0] != plain


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("scaling", ["none", "longrope"])
def test_a_scaling_without_a_factor_is_taken(
    smollm2_files: ModelFiles, engine: str, scaling: str
) -> None:
    assert reply(smollm2_files, engine=engine, rope_scaling=scaling)[0]


def test_the_context_is_what_one_request_can_hold(smollm2_files: ModelFiles) -> None:
    for slots in (1, 4):
        assert reply(smollm2_files, n_ctx=768, parallel=slots)[1].info.context_length == 768


@pytest.mark.parametrize("engine", ENGINES)
def test_the_context_is_at_most_the_trained_one(smollm2_files: ModelFiles, engine: str) -> None:
    for wanted in (0, 100_000):
        model = reply(smollm2_files, engine=engine, n_ctx=wanted)[1]
        assert model.info.context_length == model.info.trained_context == 8192


@pytest.mark.parametrize("engine", ENGINES)
def test_scaled_positions_give_a_longer_context(smollm2_files: ModelFiles, engine: str) -> None:
    options = {"rope_scaling": "yarn", "rope_freq_scale": 0.5, "n_ctx": 16_384}
    assert reply(smollm2_files, engine=engine, **options)[1].info.context_length == 16_384


def adapter_file(path: Path) -> Path:
    """A LoRA adapter of random numbers for the attention of SmolLM2's first layers."""
    random = np.random.default_rng(0)
    writer = GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for layer in range(4):
        name = f"blk.{layer}.attn_q.weight"
        for part, shape in (("lora_a", (4, 576)), ("lora_b", (576, 4))):
            numbers = random.normal(size=shape).astype(np.float32)
            writer.add_tensor(f"{name}.{part}", numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("engine", ENGINES)
def test_a_lora_adapter_changes_the_model_by_its_strength(
    smollm2_files: ModelFiles, engine: str, tmp_path: Path
) -> None:
    path = adapter_file(tmp_path / "style.gguf")
    plain, _ = reply(smollm2_files, 8, engine=engine)
    assert reply(smollm2_files, 8, engine=engine, lora=[f"{path}=0"])[0] == plain
    assert reply(smollm2_files, 8, engine=engine, lora=[str(path)])[0] != plain


def test_an_adapter_itself_is_no_model(tmp_path: Path) -> None:
    path = adapter_file(tmp_path / "style.gguf")
    files = ModelFiles(path, "gguf", path.stat().st_size, read_gguf(path).metadata)
    assert GgufLoader().probe(files) is None


def test_an_adapters_line_is_a_path_and_a_strength() -> None:
    assert adapter("/a/b.gguf") == ("/a/b.gguf", 1.0)
    assert adapter(" /a/b.gguf=0.5 ") == ("/a/b.gguf", 0.5)
    assert adapter("/a/x=y.gguf") == ("/a/x=y.gguf", 1.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "vllm"}, "xllamacpp"),
        ({"n_ctx": -1}, "greater than or equal to 0"),
        ({"parallel": 0}, "greater than or equal to 1"),
        ({"flash_attention": "off", "cache_type_v": "q8_0"}, "needs flash attention"),
        ({"engine": "llama-cpp-python", "lora": ["a", "b"]}, "one LoRA adapter"),
        ({"lora": ["=0.5"]}, "no path"),
        ({"tensor_split": [-1.0]}, "negative"),
        ({"n_ctxt": 512}, "n_ctxt"),
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        GgufOptions(**options)


def test_threads_are_physical_cores_unless_said_otherwise() -> None:
    assert threads(3) == 3
    assert threads(0) >= 1


def with_bos(smollm2: Path, path: Path) -> Path:
    """SmolLM2, but with a tokenizer that puts a BOS token before every prompt."""
    key = b"tokenizer.ggml.add_bos_token" + (7).to_bytes(4, "little")
    data = smollm2.read_bytes()
    assert data.count(key + b"\0") == 1
    path.write_bytes(data.replace(key + b"\0", key + b"\1"))
    return path


@pytest.mark.parametrize("engine", ENGINES)
def test_a_prompt_that_begins_with_bos_gets_no_second(
    smollm2: Path, tmp_path: Path, engine: str
) -> None:
    path = with_bos(smollm2, tmp_path / "bos.gguf")
    files = ModelFiles(path, "gguf", path.stat().st_size, read_gguf(path).metadata)
    options = GgufOptions(engine=engine, n_ctx=512, parallel=1, n_threads=1)
    model = GgufLoader().load(files, options)
    try:
        assert model.info.adds_bos and model.info.bos == "<|im_start|>"
        counts = [
            list(model.complete(Prompt(text), SamplingParams(max_tokens=1)))[-1].prompt_tokens
            for text in (FRANCE, f"<|im_start|>{FRANCE}")
        ]
    finally:
        model.close()
    assert counts == [6, 6]


def test_an_empty_ban_bans_nothing_and_no_deviations_are_all():
    params = SamplingParams(banned_strings=["", "a"], top_n_sigma=0)
    assert biases(params, 300, lambda text: [len(text)]) == {1: -1e9}
    assert adjusted(params, 512).top_n_sigma <= 0
