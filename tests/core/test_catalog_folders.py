"""Model folders: identified from their files, broken ones said so, variants over the same files."""

import json
import shutil
import struct
from pathlib import Path

import pytest

import parts
from jackfield.catalog.catalog import Catalog
from jackfield.catalog.folder import safetensors_header
from jackfield.catalog.model import describe
from jackfield.errors import ModelFileError, NotPermitted
from jackfield.loader import ListedModel, Loader, Match, MemoryEstimate, ModelFiles
from jackfield.manager import PluginManager
from jackfield.plugin import Plugin, hookimpl
from jackfield.settings_store import SettingsStore


class FolderLoader(Loader):
    name = "folders"
    folders = ("safetensors", "pickle")

    def probe(self, files):
        return Match(10, "a folder") if files.format in self.folders else None

    def estimate(self, files, options):
        return MemoryEstimate(files.size, 0, 0)

    def load(self, files, options):
        raise ModelFileError("not meant to be loaded")

    def listed(self):
        far = ModelFiles(Path("far/llama3"), "remote", 0)
        return [ListedModel("far/llama3", far, architecture="llama", context_length=8192)]


class Folders(Plugin):
    """Brings the loader."""

    @hookimpl
    def jackfield_loaders(self):
        return [FolderLoader]


@pytest.fixture
def catalog(paths):
    settings = SettingsStore(paths)
    plugins = PluginManager(paths, settings, entry_points=[])
    plugins.register("folders", Folders)
    return Catalog(paths, settings, plugins)


def safetensors(path: Path, tensors: dict[str, tuple[str, list[int]]], cut: int = 0) -> None:
    """A file with these tensors, all zero; ``cut`` bytes are missing at the end."""
    header, at = {}, 0
    for name, (form, shape) in tensors.items():
        size = {"F32": 4, "BF16": 2, "I32": 4, "F16": 2}[form]
        for number in shape:
            size *= number
        header[name] = {"dtype": form, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(at)
    path.write_bytes(data[: len(data) - cut])


def model_folder(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True)
    known = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    (folder / "config.json").write_text(
        json.dumps({**known, "max_position_embeddings": 2048, **config})
    )
    safetensors(folder / "model.safetensors", {"a": ("BF16", [10, 3]), "b": ("F32", [2])})
    return folder


def test_a_real_folder_is_identified_from_its_files():
    found = describe(parts.smollm2_folder())
    assert found.error == ""
    assert (found.format, found.architecture, found.context_length) == (
        "safetensors",
        "llama",
        8192,
    )
    assert found.parameters == 134_515_008
    assert found.quantization == "F32"
    assert found.writes
    assert "im_start" in found.chat_template
    assert found.files.metadata["tensors"] == {"F32": 134_515_008}


def test_a_sentence_transformers_folder_tells_its_modules_and_license():
    found = describe(parts.minilm())
    assert found.files.metadata["modules"][0]["type"].endswith("Transformer")
    assert found.license == "apache-2.0"
    assert not found.writes
    assert found.architecture == "bert"


def test_a_gptq_checkpoint_counts_its_packed_weights(paths, catalog):
    quantized = {"quant_method": "gptq", "bits": 4}
    folder = model_folder(paths.models / "packed", quantization_config=quantized)
    safetensors(
        folder / "model.safetensors",
        {
            "l.qweight": ("I32", [8, 16]),
            "l.scales": ("F16", [1, 16]),
            "l.qzeros": ("I32", [1, 2]),
            "l.g_idx": ("I32", [64]),
            "norm": ("F16", [16]),
        },
    )
    found = catalog.find("packed")
    assert found.quantization == "GPTQ 4-bit"
    assert found.parameters == 8 * 16 * 8 + 16


def test_a_shard_that_is_missing_is_named(paths, catalog):
    folder = model_folder(paths.models / "halves")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "c": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert "model-00002-of-00002.safetensors" in catalog.find("halves").error


@pytest.mark.parametrize("cut", [1, 60])
def test_a_file_that_is_cut_short_is_listed_with_its_error(paths, catalog, cut):
    folder = model_folder(paths.models / "short")
    safetensors(folder / "model.safetensors", {"a": ("F32", [16])}, cut=cut)
    assert "bytes and should have" in catalog.find("short").error


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    for content in (b"", b"hello", b"\xff" * 64, struct.pack("<Q", 4) + b"nope"):
        path = tmp_path / "bad.safetensors"
        path.write_bytes(content)
        with pytest.raises(ModelFileError):
            safetensors_header(path)


def test_pickle_weights_are_a_format_of_their_own(paths, catalog):
    folder = model_folder(paths.models / "old")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"x" * 100)
    assert catalog.find("old").format == "pickle"


@pytest.mark.parametrize(
    ("config", "writes"),
    [
        ({"decoder_start_token": "</s>", "unk_token": "<unk>"}, False),  # a translator
        ({"alignment_heads": [[1, 0]], "lang_ids": [50259], "suppress_ids": [1]}, False),  # Whisper
        ({"unk_token": "<unk>", "layer_norm_epsilon": 1e-6}, True),
        ({"model_type": "llama"}, True),
    ],
)
def test_translators_and_recognizers_in_ctranslate2s_format_do_not_write(tmp_path, config, writes):
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert describe(tmp_path).writes is writes


def test_the_hubs_cache_is_named_by_its_repository(paths, catalog):
    model_folder(paths.models / "models--some-lab--tiny-llm" / "snapshots" / "0123abcd")
    assert catalog.find("tiny-llm").format == "safetensors"
    assert catalog.find("some-lab/tiny-llm").name == "tiny-llm"


def test_a_change_is_noticed(paths, catalog):
    folder = model_folder(paths.models / "changing")
    assert catalog.find("changing").context_length == 2048
    shutil.rmtree(folder)
    model_folder(folder, max_position_embeddings=100_000)
    catalog.scan()
    assert catalog.find("changing").context_length == 100_000


def test_a_variant_is_an_entry_of_its_own_over_the_same_files(paths, catalog):
    model_folder(paths.models / "base")
    catalog._settings.set(("models", "base-fast"), {"variant_of": "base", "loader": "folders"})
    catalog.scan()
    variant = catalog.find("base-fast")
    assert variant.path == catalog.find("base").path
    assert variant.variant_of == "base"
    catalog.remove("base-fast")
    assert [one.name for one in catalog.scan()] == ["base", "far/llama3"]
    assert (paths.models / "base" / "config.json").is_file()


def test_models_that_are_no_files_here_are_listed_and_not_removed(catalog):
    found = catalog.find("far/llama3")
    assert (found.architecture, found.context_length, found.source) == ("llama", 8192, "folders")
    with pytest.raises(NotPermitted, match="not on this computer"):
        catalog.remove("far/llama3")
