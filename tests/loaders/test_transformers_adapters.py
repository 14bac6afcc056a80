"""LoRA adapters, as PEFT writes them, on the real model: in the loader and through a server."""

import shutil

import pytest

import parts
from installation import Installation
from jackfield import Adapter, ModelFileError, Prompt, SamplingParams
from jackfield_loaders.transformers import TransformersLoader
from jackfield_loaders.transformers.options import TransformersOptions
from memory_meter import files_of

PROMPT = "The capital of France is"


@pytest.fixture(scope="module")
def model():
    options = TransformersOptions(n_ctx=256, parallel=2, device="cpu", threads=1, dtype="float32")
    loaded = TransformersLoader().load(files_of(parts.smollm2_folder()), options)
    yield loaded
    loaded.close()


@pytest.fixture
def plain(model):
    model.set_adapters([])
    return answer(model)


def answer(model) -> str:
    params = SamplingParams(temperature=0, max_tokens=8)
    return "".join(token.text for token in model.complete(Prompt(PROMPT), params))


def test_an_adapter_changes_the_next_reply_and_goes_without_a_trace(model, plain):
    assert "lora" in model.info.capabilities
    model.set_adapters([Adapter(parts.smollm2_lora())])
    assert answer(model) != plain
    model.set_adapters([])
    assert answer(model) == plain


def test_the_strength_of_an_adapter_counts(model, plain):
    model.set_adapters([Adapter(parts.smollm2_lora(), scale=0)])
    assert answer(model) == plain
    model.set_adapters([Adapter(parts.smollm2_lora(), scale=1)])
    assert answer(model) != plain


def test_several_adapters_add_up(model, plain, tmp_path):
    twin = tmp_path / "twin"
    shutil.copytree(parts.smollm2_lora(), twin)
    model.set_adapters([Adapter(parts.smollm2_lora())])
    whole = answer(model)
    model.set_adapters([Adapter(parts.smollm2_lora(), 0.5), Adapter(twin, 0.5)])
    assert answer(model) == whole != plain


def test_an_adapter_that_was_trained_on_is_read_anew(model, plain, tmp_path):
    from safetensors.torch import load_file, save_file

    style = tmp_path / "style"
    shutil.copytree(parts.smollm2_lora(), style)
    model.set_adapters([Adapter(style)])
    assert answer(model) != plain
    weights = style / "adapter_model.safetensors"
    save_file({name: one * 0 for name, one in load_file(weights).items()}, weights)
    model.set_adapters([Adapter(style)])
    assert answer(model) == plain


def test_a_broken_adapter_is_refused_and_the_one_before_stays(model, plain, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(parts.smollm2_lora(), broken)
    weights = broken / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    model.set_adapters([Adapter(parts.smollm2_lora())])
    changed = answer(model)
    with pytest.raises(ModelFileError, match="'broken' cannot be attached"):
        model.set_adapters([Adapter(broken)])
    assert answer(model) == changed != plain


def test_an_adapter_of_another_model_is_refused(model, plain, tmp_path):
    from safetensors.torch import load_file, save_file

    foreign = tmp_path / "foreign"
    shutil.copytree(parts.smollm2_lora(), foreign)
    weights = foreign / "adapter_model.safetensors"
    narrow = {name: one[..., :64].contiguous() for name, one in load_file(weights).items()}
    save_file(narrow, weights, {"format": "pt"})
    with pytest.raises(ModelFileError, match="'foreign' cannot be attached"):
        model.set_adapters([Adapter(foreign)])
    assert answer(model) == plain


def test_an_adapter_with_layers_that_the_model_lacks_is_refused(model, plain, tmp_path):
    from safetensors.torch import load_file, save_file

    deeper = tmp_path / "deeper"
    shutil.copytree(parts.smollm2_lora(), deeper)
    weights = deeper / "adapter_model.safetensors"
    found = load_file(weights)
    more = {name.replace(".layers.1.", ".layers.99."): one.clone() for name, one in found.items()}
    save_file(found | more, weights, {"format": "pt"})
    with pytest.raises(ModelFileError, match="made for another model"):
        model.set_adapters([Adapter(deeper)])
    assert answer(model) == plain


def test_an_adapter_is_attached_to_a_model_of_a_running_server(tmp_path):
    made = Installation(tmp_path / "home")
    made.paths.settings.write_text(
        "[models.folder.options]\nn_ctx = 256\nparallel = 2\ndtype = 'float32'\n"
    )
    (made.paths.models / "folder").symlink_to(parts.smollm2_folder())
    shutil.copytree(parts.smollm2_lora(), made.paths.home / "adapters" / "style")
    with made.serving() as server:

        def reply() -> str:
            sent = {"model": "folder", "prompt": PROMPT, "max_tokens": 8, "temperature": 0}
            return server.http.post("/v1/completions", json=sent).json()["choices"][0]["text"]

        plain, pid = reply(), server.resident("folder")["pid"]
        done = made.run("models", "adapters", "folder", "style")
        assert done.returncode == 0, done.stderr
        assert reply() != plain
        assert made.run("models", "adapters", "folder", "--none").returncode == 0
        assert reply() == plain
        assert server.resident("folder")["pid"] == pid  # without a reload
