"""How the Transformers loader settles, estimates, refuses and batches, on real weights."""

import json
import shutil
import threading
from pathlib import Path

import msgspec
import pytest

import parts
from jackfield import (
    Device,
    LoadFailed,
    Machine,
    ModelFileError,
    ModelFiles,
    Prompt,
    SamplingParams,
)
from jackfield.application import Application
from jackfield.catalog.model import describe
from jackfield.paths import Paths
from jackfield.testing import WorkerModel
from jackfield_loaders.transformers import TransformersLoader
from jackfield_loaders.transformers.options import TransformersOptions
from memory_meter import files_of

GIGABYTE = 10**9
PROCESSOR = Machine((Device("cpu", "main memory", 16 * GIGABYTE, 8 * GIGABYTE),), cores=2)
LOADER = TransformersLoader()


@pytest.fixture(scope="module")
def files() -> ModelFiles:
    found = describe(parts.smollm2_folder())
    assert found is not None
    return found.files


@pytest.fixture(scope="module")
def model(files):
    options = TransformersOptions(n_ctx=512, parallel=4, device="cpu", dtype="float32", threads=1)
    loaded = LOADER.load(files, options)
    yield loaded
    loaded.close()


def graphics_card(free: int) -> Machine:
    card = Device("cuda:0", "a card", 24 * GIGABYTE, free)
    return msgspec.structs.replace(PROCESSOR, devices=(*PROCESSOR.devices, card))


def text(model, prompt: str, **sampling: object) -> str:
    params = SamplingParams(temperature=0, max_tokens=8, **sampling)
    return "".join(token.text for token in model.complete(Prompt(prompt), params))


def test_without_a_card_it_runs_on_the_processor_and_says_so(files):
    settled = LOADER.settle(files, TransformersOptions(), PROCESSOR)
    assert (settled.options.device, settled.options.dtype) == ("cpu", "float32")
    assert settled.options.threads == 2
    assert any("no graphics card" in reason for reason in settled.reasons)


def test_a_card_with_room_is_used_in_bfloat16(files):
    settled = LOADER.settle(files, TransformersOptions(), graphics_card(8 * GIGABYTE))
    assert (settled.options.device, settled.options.dtype) == ("cuda:0", "bfloat16")
    estimate = LOADER.estimate(files, settled.options)
    assert estimate.on("cuda:0") > estimate.weights


def test_a_card_without_room_is_left_alone(files):
    settled = LOADER.settle(files, TransformersOptions(), graphics_card(10**8))
    assert settled.options.device == "cpu"
    assert any("does not fit" in reason for reason in settled.reasons)


def test_weights_saved_in_float16_are_computed_in_bfloat16_by_a_processor(files):
    saved = msgspec.structs.replace(files, metadata={**files.metadata, "tensors": {"F16": 10}})
    settled = LOADER.settle(saved, TransformersOptions(), PROCESSOR)
    assert settled.options.dtype == "bfloat16"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_estimate_is_near_what_a_worker_takes(files, dtype):
    options = TransformersOptions(n_ctx=512, parallel=1, device="cpu", dtype=dtype, threads=1)
    filler = "once upon a time " * 115
    with WorkerModel(LOADER, files, options) as model:
        list(model.complete(Prompt(filler), SamplingParams(max_tokens=4)))
        measured = model.memory
    estimated = LOADER.estimate(files, options).total
    assert 0.85 < estimated / measured < 1.15, f"{estimated:,} estimated, {measured:,} measured"


def test_gguf_files_are_opened_too_and_left_to_the_loader_made_for_them(smollm2):
    found = describe(smollm2)
    match = LOADER.probe(found.files)
    assert match is not None
    assert match.score < 50
    options = TransformersOptions(n_ctx=256, device="cpu", dtype="bfloat16", threads=1, parallel=1)
    loaded = LOADER.load(found.files, options)
    try:
        assert "Paris" in text(loaded, "The capital of France is")
    finally:
        loaded.close()


def test_eight_bits_answer_too(files):
    options = TransformersOptions(
        n_ctx=256, device="cpu", dtype="bfloat16", quantization="8-bit", threads=1, parallel=1
    )
    with WorkerModel(LOADER, files, options) as loaded:
        assert "Paris" in text(loaded, "The capital of France is")


def test_a_request_joins_while_another_runs_and_both_say_what_they_say_alone(model):
    long, short = "Once upon a time, in a land far away,", "The capital of France is"
    alone = [text(model, long), text(model, short)]
    params = SamplingParams(temperature=0, max_tokens=40)
    running = model.complete(Prompt(long), params)
    begun = [next(running) for _ in range(5)]
    joined = text(model, short)
    rest = list(running)
    assert joined == alone[1]
    assert "".join(token.text for token in [*begun, *rest]).startswith(alone[0])


def test_more_requests_than_slots_wait_and_are_all_answered(model):
    prompts = [f"Number {number} and then number" for number in range(7)]
    alone = [text(model, prompt) for prompt in prompts]
    found: dict[str, str] = {}

    def ask(prompt: str) -> None:
        found[prompt] = text(model, prompt)

    threads = [threading.Thread(target=ask, args=(prompt,)) for prompt in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [found[prompt] for prompt in prompts] == alone


@pytest.mark.parametrize("penalty", ["frequency_penalty", "presence_penalty", "repeat_penalty"])
def test_penalties_end_a_repetition(model, penalty):
    prompt = "red blue red blue red blue red blue red blue red blue red"
    assert "blue blue" in text(model, prompt)
    assert "blue blue" not in text(model, prompt, **{penalty: 2.0})


def test_a_banned_word_is_not_said(model):
    assert "Paris" not in text(model, "The capital of France is", banned_strings=["Paris"])


def test_top_k_of_one_and_top_p_of_nothing_are_greedy(model):
    prompt = "My favourite animal is the"
    greedy = text(model, prompt)
    for sampling in ({"top_k": 1}, {"top_p": 0.0}, {"min_p": 1.0}, {"top_n_sigma": 1e-3}):
        params = SamplingParams(temperature=1.5, max_tokens=8, **sampling)
        said = "".join(token.text for token in model.complete(Prompt(prompt), params))
        assert said == greedy, sampling


def test_code_of_the_models_own_is_not_run_unless_granted(files):
    config = {**files.metadata["config"], "model_type": "evil"}
    config["auto_map"] = {"AutoModelForCausalLM": "evil.Model"}
    strange = msgspec.structs.replace(files, metadata={**files.metadata, "config": config})
    with pytest.raises(LoadFailed, match="Python code of its own") as refused:
        LOADER.load(strange, TransformersOptions(device="cpu"))
    assert "trust_remote_code" in refused.value.hint


OWN_CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM

class OwnConfig(LlamaConfig):
    model_type = "own"

class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        Path(config.witness).write_text("ran")
"""


def test_a_models_own_code_runs_only_where_it_was_granted(files, tmp_path: Path):
    folder, witness = tmp_path / "own", tmp_path / "witness"
    shutil.copytree(files.path, folder)
    (folder / "own.py").write_text(OWN_CODE)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "architectures": ["OwnForCausalLM"],
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"},
        "witness": str(witness),
    }
    (folder / "config.json").write_text(json.dumps(config))
    strange = files_of(folder)
    with pytest.raises(LoadFailed, match="Python code of its own"):
        LOADER.load(strange, TransformersOptions(device="cpu"))
    assert not witness.exists()
    granted = TransformersOptions(
        n_ctx=128, parallel=1, device="cpu", dtype="float32", threads=1, trust_remote_code=True
    )
    with WorkerModel(LOADER, strange, granted) as model:
        assert "Paris" in text(model, "The capital of France is")
    assert witness.read_text() == "ran"


def test_code_beside_a_model_that_transformers_knows_is_not_run(files, tmp_path: Path):
    folder, witness = tmp_path / "llama", tmp_path / "witness"
    shutil.copytree(files.path, folder)
    writes = f"from pathlib import Path\nPath({str(witness)!r}).write_text('ran')\n"
    (folder / "own.py").write_text(writes + OWN_CODE)
    for name, entry in {
        "config.json": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnCausalLM"},
        "tokenizer_config.json": {"AutoTokenizer": ["own.OwnTokenizer", "own.OwnTokenizer"]},
    }.items():
        saved = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**saved, "auto_map": entry}))
    options = TransformersOptions(n_ctx=128, parallel=1, device="cpu", dtype="float32", threads=1)
    with WorkerModel(LOADER, files_of(folder), options) as model:
        assert "Paris" in text(model, "The capital of France is")
    assert not witness.exists()


def test_a_model_in_the_cache_of_the_hub_opens_by_the_name_of_its_repository(files, tmp_path: Path):
    cache = tmp_path / "hub"
    kept = cache / "models--HuggingFaceTB--SmolLM2-135M-Instruct"
    (kept / "blobs").mkdir(parents=True)
    snapshot = kept / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    snapshot.mkdir(parents=True)
    for number, path in enumerate(files.path.iterdir()):  # a cache keeps links to its blobs
        blob = kept / "blobs" / f"{number:064x}"
        blob.symlink_to(path)
        (snapshot / path.name).symlink_to(blob)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(snapshot.name)
    home = Paths(tmp_path / "home")
    home.make()
    home.settings.write_text(f"model_folders = [{str(cache)!r}]\n")
    found = Application.create(home).catalog.find("HuggingFaceTB/SmolLM2-135M-Instruct")
    options = TransformersOptions(n_ctx=128, parallel=1, device="cpu", dtype="float32", threads=1)
    with WorkerModel(LOADER, found.files, options) as model:
        assert "Paris" in text(model, "The capital of France is")


def test_pickles_are_not_opened_unless_allowed(files):
    old = msgspec.structs.replace(files, format="pickle")
    with pytest.raises(LoadFailed, match="pickle"):
        LOADER.load(old, TransformersOptions(device="cpu"))


def test_a_card_that_is_not_there_is_said(files):
    with pytest.raises(LoadFailed, match="finds no CUDA device"):
        LOADER.load(files, TransformersOptions(device="cuda:3", dtype="bfloat16"))


def test_broken_weights_are_said_to_be_broken(files, tmp_path: Path):
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in files.path.iterdir():
        if path.suffix != ".safetensors":
            shutil.copy(path, folder)
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    broken = msgspec.structs.replace(files, path=folder)
    with pytest.raises(ModelFileError, match="broken"):
        LOADER.load(broken, TransformersOptions(device="cpu", dtype="float32"))


def test_other_kinds_of_models_are_left_to_others():
    config = {"architectures": ["BertModel"], "model_type": "bert"}
    files = ModelFiles(Path("x"), "safetensors", 1, {"config": config})
    assert LOADER.probe(files) is None
