"""Where the Transformers loader puts weights: limits, several devices, disk, fewer bits."""

import tempfile
from pathlib import Path

import msgspec
import pytest
from pydantic import ValidationError

import parts
from jackfield import (
    Adapter,
    Device,
    LoadFailed,
    Machine,
    ModelFiles,
    Prompt,
    SamplingParams,
)
from jackfield.dashboard.forms.fields import read_fields
from jackfield.testing import WorkerModel
from jackfield_loaders.transformers import TransformersLoader
from jackfield_loaders.transformers.options import TransformersOptions, in_bytes
from memory_meter import files_of

GIGABYTE = 10**9
LOADER = TransformersLoader()
BIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
}
CAPITAL = Prompt("The capital of France is")
GREEDY = SamplingParams(temperature=0, max_tokens=4)


@pytest.fixture(scope="module")
def files() -> ModelFiles:
    return files_of(parts.smollm2_folder())


@pytest.fixture(scope="module")
def big() -> ModelFiles:
    """What the catalog says of a model with 8 billion weights in bfloat16, 16 GB."""
    metadata = {"config": BIG, "tensors": {"BF16": 8 * GIGABYTE}}
    return ModelFiles(Path("big"), "safetensors", 16 * GIGABYTE, metadata)


def computer(*free: int, memory: int = 64) -> Machine:
    """A computer with graphics cards that have so many gigabytes free."""
    main = Device("cpu", "main memory", memory * GIGABYTE, memory * GIGABYTE)
    cards = [
        Device(f"cuda:{number}", "a card", 80 * GIGABYTE, room * GIGABYTE)
        for number, room in enumerate(free)
    ]
    return Machine((main, *cards), cores=2)


def settled(files: ModelFiles, machine: Machine, **options: object) -> TransformersOptions:
    asked = TransformersOptions.model_validate({"parallel": 1, **options})
    found = LOADER.settle(files, asked, machine)
    assert LOADER.settle(files, found.options, machine).options == found.options
    assert isinstance(found.options, TransformersOptions)
    return found.options


def reasons(files: ModelFiles, machine: Machine, **options: object) -> str:
    asked = TransformersOptions.model_validate({"parallel": 1, **options})
    return " ".join(LOADER.settle(files, asked, machine).reasons)


@pytest.mark.parametrize(
    "size", [("6GB", 6 * 10**9), ("512 MiB", 512 * 2**20), ("1.5gb", 15 * 10**8), ("7", 7)]
)
def test_sizes_are_read_as_they_are_written(size):
    assert in_bytes(size[0]) == size[1]


def test_limits_are_taken_as_text_and_as_a_table():
    text = TransformersOptions.model_validate({"max_memory": "cpu=20GB, cuda:0=6GB"})
    table = TransformersOptions.model_validate({"max_memory": {"cuda": "6GB", "cpu": "20GB"}})
    assert text.limits == table.limits == {"cuda:0": 6 * GIGABYTE, "cpu": 20 * GIGABYTE}
    assert list(text.limits) == ["cuda:0", "cpu"]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("cpu=lots", "'lots' is no size"),
        ("gpu=6GB", "'gpu' is no device"),
        ("cpu", "'' is no size"),
    ],
)
def test_limits_that_cannot_be_read_are_refused_with_what_is_wrong(limits, said):
    with pytest.raises(ValidationError, match=said):
        TransformersOptions.model_validate({"max_memory": limits})


def test_limits_have_a_field_in_the_form_and_a_default_there():
    (field,) = (
        one
        for one in read_fields(TransformersOptions.model_json_schema())
        if one.name == "max_memory"
    )
    assert (field.kind, field.item, field.default) == ("table", "text", {})


def test_quantized_weights_are_not_split_between_card_and_processor():
    for wish in ({"offload": "cpu"}, {"max_memory": "cpu=1GB"}):
        with pytest.raises(ValidationError, match="kept whole"):
            TransformersOptions.model_validate({"quantization": "4-bit", **wish})


def test_a_model_that_fits_on_one_card_is_put_on_it_alone(big):
    chosen = settled(big, computer(12, 20))
    assert (chosen.device, chosen.max_memory, chosen.offload) == ("cuda:1", {}, "none")


def test_a_model_that_fits_on_no_card_alone_is_spread_over_several(big):
    chosen = settled(big, computer(12, 12))
    assert list(chosen.limits) == ["cuda:0", "cuda:1"]
    assert "no card alone" in reasons(big, computer(12, 12))
    estimate = LOADER.estimate(big, chosen)
    needs = estimate.by_device()
    assert all(0 < needs[card] <= 12 * GIGABYTE for card in ("cuda:0", "cuda:1"))
    weights = estimate.weights + sum(one.weights for one in estimate.elsewhere)
    assert weights == pytest.approx(16 * GIGABYTE, rel=0.01)


def test_a_model_that_does_not_fit_on_the_card_is_split_with_the_processor(big):
    chosen = settled(big, computer(14))
    assert (chosen.device, chosen.offload) == ("cuda:0", "cpu")
    assert list(chosen.limits) == ["cuda:0", "cpu"]
    why = reasons(big, computer(14))
    assert "Split between graphics card and processor" in why
    assert "With the option quantization set to 8-bit it would." in why
    needs = LOADER.estimate(big, chosen).by_device()
    assert 10 * GIGABYTE < needs["cuda:0"] <= 14 * GIGABYTE
    assert needs["cpu"] > 2 * GIGABYTE


def test_with_little_on_the_card_the_processor_does_all_if_it_has_room(big):
    assert settled(big, computer(4)).device == "cpu"
    assert "set to" not in reasons(big, computer(4))  # not even 4 bits fit
    assert "quantization set to 4-bit" in reasons(big, computer(7))
    assert settled(big, computer(4, memory=16)).device == "cuda:0"  # else it fits nowhere


def test_nothing_is_split_where_that_was_ruled_out(big):
    chosen = settled(big, computer(14), offload="none")
    assert (chosen.device, chosen.max_memory) == ("cpu", {})


def test_fewer_bits_fit_on_the_card(big):
    for quantization, least, most in (("8-bit", 8, 9), ("4-bit", 4, 5.2)):
        chosen = settled(big, computer(14), quantization=quantization)
        assert (chosen.device, chosen.offload) == ("cuda:0", "none")
        estimate = LOADER.estimate(big, chosen)
        assert least * GIGABYTE < estimate.weights < most * GIGABYTE


def test_what_exceeds_the_limit_of_a_card_goes_to_main_memory(big):
    chosen = settled(big, computer(40), max_memory="cuda:0=6GB")
    assert (chosen.device, chosen.offload) == ("cuda:0", "cpu")
    estimate = LOADER.estimate(big, chosen)
    assert estimate.weights <= 6 * GIGABYTE
    assert estimate.on("cpu") > 9 * GIGABYTE


def test_a_card_is_preferred_in_the_format_that_it_computes(files):
    saved = msgspec.structs.replace(files, metadata={**files.metadata, "tensors": {"F32": 10**9}})
    chosen = settled(saved, computer(3))  # 4 GB as saved
    assert (chosen.device, chosen.dtype) == ("cuda:0", "bfloat16")


def test_gguf_files_are_estimated_with_the_weights_that_are_made_of_them(smollm2_files, files):
    options = TransformersOptions(n_ctx=512, parallel=1, device="cpu", dtype="bfloat16")
    short, whole = (LOADER.estimate(one, options) for one in (smollm2_files, files))
    assert short.weights == pytest.approx(whole.weights, rel=0.01)
    assert short.kv_cache == whole.kv_cache
    assert (
        LOADER.settle(smollm2_files, TransformersOptions(), computer()).options.dtype == "bfloat16"
    )


def test_with_a_limit_the_rest_stays_on_disk_and_the_answer_is_the_same(
    files, tmp_path, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    machine = computer(memory=8)
    usual = {"n_ctx": 512, "threads": 1, "dtype": "float32"}
    taken, said = {}, {}
    for name, limit in (("whole", {}), ("limited", {"max_memory": "cpu=200MB", "offload": "disk"})):
        options = settled(files, machine, **usual, **limit)
        with WorkerModel(LOADER, files, options) as model:
            said[name] = "".join(one.text for one in model.complete(CAPITAL, GREEDY))
            taken[name] = model.memory
        assert LOADER.estimate(files, options).total == pytest.approx(taken[name], rel=0.15)
    assert "Paris" in said["limited"]
    assert said["limited"] == said["whole"]
    assert taken["whole"] - taken["limited"] > 250_000_000
    assert not list(tmp_path.glob("jackfield-offload-*"))


def test_a_limit_that_is_too_low_is_said_with_what_to_do(files):
    options = settled(files, computer(), max_memory="cpu=200MB", dtype="float32")
    with pytest.raises(LoadFailed, match="does not fit within the memory limits") as refused:
        LOADER.load(files, options)
    assert "offload to disk" in refused.value.hint


@pytest.mark.parametrize("quantization", ["8-bit", "4-bit"])
def test_quantized_on_the_processor_it_answers_and_takes_what_was_estimated(files, quantization):
    options = settled(files, computer(), n_ctx=512, threads=1, quantization=quantization)
    assert options.dtype == "bfloat16"
    with WorkerModel(LOADER, files, options) as model:
        assert "Paris" in "".join(one.text for one in model.complete(CAPITAL, GREEDY))
        measured = model.memory
    assert LOADER.estimate(files, options).total == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize("quantization", ["8-bit", "4-bit"])
def test_quantized_models_take_adapters_and_lose_them_without_a_trace(files, quantization):
    options = settled(files, computer(), n_ctx=256, threads=1, quantization=quantization)
    model = LOADER.load(files, options)
    try:
        said = []
        for adapters in ([], [Adapter(parts.smollm2_lora())], []):
            model.set_adapters(adapters)
            said.append("".join(one.text for one in model.complete(CAPITAL, GREEDY)))
    finally:
        model.close()
    assert "Paris" in said[0] == said[2] != said[1]


def test_weights_of_gguf_files_can_be_kept_on_disk(smollm2_files, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    options = settled(
        smollm2_files, computer(), n_ctx=256, threads=1, max_memory="cpu=120MB", offload="disk"
    )
    model = LOADER.load(smollm2_files, options)
    try:
        (kept,) = tmp_path.glob("jackfield-offload-*")
        assert list(kept.glob("*.safetensors"))
        assert "Paris" in "".join(one.text for one in model.complete(CAPITAL, GREEDY))
    finally:
        model.close()
    assert not kept.exists()


def test_flash_attention_without_its_package_is_refused_with_its_name(files):
    options = settled(files, computer(), attention="flash_attention_2")
    with pytest.raises(LoadFailed, match="package flash-attn"):
        LOADER.load(files, options)
