"""What the loader of GGUF files chooses by itself, on made-up computers, and its estimates."""

from pathlib import Path
from typing import Any

import pytest

from jackfield import Device, Machine, ModelFiles
from jackfield_loaders.gguf.estimate import cache_bytes, estimate
from jackfield_loaders.gguf.options import GgufOptions
from jackfield_loaders.gguf.settling import can_use_gpu, settle
from jackfield_loaders.gguf.shape import Facts

GIGABYTE = 10**9


def computer(memory: float, *cards: float) -> Machine:
    """With so many gigabytes free on each device."""
    sizes = [("cpu", memory), *((f"cuda:{n}", one) for n, one in enumerate(cards))]
    devices = [Device(name, name, int(one * GIGABYTE), int(one * GIGABYTE)) for name, one in sizes]
    return Machine((devices[0], *sorted(devices[1:], key=lambda one: -one.free)), 6)


def llama(**metadata: Any) -> ModelFiles:
    """A model of 32 layers, 8 GB, with 8 of 32 heads for keys and values, 128 numbers each."""
    about = {
        "general.architecture": "llama",
        "llama.block_count": 32,
        "llama.embedding_length": 4096,
        "llama.feed_forward_length": 14336,
        "llama.attention.head_count": 32,
        "llama.attention.head_count_kv": 8,
        "llama.context_length": 131_072,
        "tokenizer.ggml.tokens": {"length": 128_000},
    }
    return ModelFiles(Path("/m.gguf"), "gguf", 8 * GIGABYTE, about | metadata)


def settled(machine: Machine, *, gpu: bool = True, **options: Any) -> tuple[GgufOptions, str]:
    found = settle(llama(), GgufOptions(**options), machine, gpu=gpu)
    again = settle(llama(), found.options, machine, gpu=gpu)
    assert again.options == found.options, "settling again changes something"
    return found.options, " ".join(found.reasons)


def test_threads_are_one_for_each_core() -> None:
    options, why = settled(computer(64))
    assert options.n_threads == 6 and "Threads 6: one for each core." in why
    options, why = settled(computer(64), n_threads=2)
    assert options.n_threads == 2 and "Threads" not in why


def test_all_layers_go_on_a_card_with_room() -> None:
    options, why = settled(computer(64, 24))
    assert (options.n_gpu_layers, options.split_mode, options.main_gpu) == (33, "none", 0)
    assert why.startswith("Threads 6") and "All 32 layers on cuda:0: cuda:0 needs 10." in why


def test_the_card_with_most_room_is_taken_by_its_number() -> None:
    options, why = settled(computer(64, 6, 24))
    assert (options.n_gpu_layers, options.main_gpu) == (33, 1) and "on cuda:1" in why


def test_layers_are_spread_where_one_card_is_too_small() -> None:
    options, why = settled(computer(64, 8, 8))
    assert options.n_gpu_layers == 33 and options.split_mode == "layer"
    assert options.tensor_split == [8.0, 8.0] and "cuda:0 and cuda:1" in why
    needs = estimate(llama(), options).by_device()
    assert needs["cuda:0"] == needs["cuda:1"] < 8 * GIGABYTE


def test_as_many_layers_as_fit_and_the_others_on_the_processor() -> None:
    options, why = settled(computer(64, 6))
    assert 0 < options.n_gpu_layers < 32
    assert f"{options.n_gpu_layers} of 32 layers on cuda:0, the others on the processor" in why
    fits = estimate(llama(), options).on("cuda:0")
    more = options.model_copy(update={"n_gpu_layers": options.n_gpu_layers + 1})
    assert fits <= 6 * GIGABYTE < estimate(llama(), more).on("cuda:0")


@pytest.mark.parametrize(("cards", "gpu"), [((0.3,), True), ((24,), False), ((), False)])
def test_without_a_card_of_use_the_processor_computes(cards: tuple[float, ...], gpu: bool) -> None:
    options, why = settled(computer(64, *cards), gpu=gpu)
    assert options.n_gpu_layers == 0 and "On the processor" in why
    assert set(estimate(llama(), options).by_device()) == {"cpu"}


def test_the_users_number_of_layers_stays() -> None:
    options, _ = settled(computer(64, 24), n_gpu_layers=10)
    assert options.n_gpu_layers == 10
    needs = estimate(llama(), options).by_device()
    assert needs["cpu"] > 5 * GIGABYTE and 2 * GIGABYTE < needs["cuda:0"] < 5 * GIGABYTE


def test_a_context_is_shortened_so_that_it_fits() -> None:
    options, why = settled(computer(12), gpu=False, n_ctx=0, parallel=1)
    assert 512 < options.n_ctx < 131_072 and options.n_ctx % 256 == 0
    assert f"Context {options.n_ctx:,} instead of 131,072: so that it fits into the 12.0 GB" in why
    assert estimate(llama(), options).total <= 12 * GIGABYTE
    longer = options.model_copy(update={"n_ctx": options.n_ctx + 256})
    assert estimate(llama(), longer).total > 12 * GIGABYTE


def test_a_context_that_the_user_asked_for_is_not_shortened() -> None:
    options, why = settled(computer(12), gpu=False, n_ctx=65_536)
    assert options.n_ctx == 65_536 and "Context" not in why
    options, why = settled(computer(2), gpu=False)
    assert options.n_ctx == 4096, "not even a short one fits: it is refused with the numbers"


def test_a_context_is_no_longer_than_trained_and_says_so() -> None:
    options, why = settled(computer(999), gpu=False, n_ctx=200_000)
    assert options.n_ctx == 131_072 and "trained for no more" in why
    options, why = settled(computer(999), gpu=False, n_ctx=0)
    assert options.n_ctx == 131_072 and "Context 131,072: what the model was trained for." in why


def kv(metadata: dict[str, Any], **options: Any) -> int:
    given = {"n_ctx": 8192, "parallel": 1} | options
    return cache_bytes(Facts(llama(**metadata).metadata), GgufOptions(**given))


def test_the_cache_knows_grouped_queries_and_quantized_types() -> None:
    whole = 32 * 8 * 2 * 128 * 2 * 8192
    assert kv({}) == whole
    assert kv({}, parallel=3) == 3 * whole
    assert kv({}, cache_type_k="q8_0", cache_type_v="q4_0") == whole * (34 + 18) // 128
    assert kv({"llama.attention.head_count_kv": [8] * 16 + [0] * 16}) == whole // 2
    assert kv({"llama.attention.key_length": 64, "llama.attention.value_length": 192}) == whole


def test_the_cache_knows_sliding_windows() -> None:
    whole = kv({})
    layer = whole // 32
    window = {"llama.attention.sliding_window": 1024}
    assert kv(window) == whole, "a window that the architecture does not use"
    every_fourth = window | {"llama.attention.sliding_window_pattern": 4}
    local = layer * (1024 + 512) // 8192
    assert kv(every_fourth) == 8 * layer + 24 * local
    assert kv(every_fourth, swa_full=True) == whole
    stated = window | {"llama.attention.sliding_window_pattern": [True] * 8 + [False] * 24}
    assert kv(stated) == 24 * layer + 8 * local
    shared = {"llama.attention.shared_kv_layers": 12}
    assert kv(shared) == 20 * layer


def test_an_engine_tells_by_its_libraries_whether_it_uses_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not can_use_gpu("xllamacpp") and not can_use_gpu("llama-cpp-python")
    package = tmp_path / "xllamacpp"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "xllamacpp.so").write_bytes(b"\0" * 5000 + b"ggml_backend_cuda_init" + b"\0" * 50)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "xllamacpp", raising=False)
    assert can_use_gpu("xllamacpp")
