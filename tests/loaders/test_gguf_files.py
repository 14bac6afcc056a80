"""GGUF files: which are opened, what is said of broken ones, and how much memory they take."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jackfield import LoadFailed, ModelFileError, ModelFiles
from jackfield_loaders.gguf import Gguf, GgufLoader, header
from jackfield_loaders.gguf.options import GgufOptions

ENGINES = ("xllamacpp", "llama-cpp-python")


def files(path: Path, **metadata: Any) -> ModelFiles:
    return ModelFiles(path, "gguf", path.stat().st_size, metadata)


def load(path: Path, engine: str = "xllamacpp", **metadata: Any) -> None:
    options = GgufOptions(engine=engine, n_ctx=512, parallel=1, n_threads=1)
    GgufLoader().load(files(path, **metadata), options).close()


def test_the_plugin_offers_the_loader() -> None:
    assert Gguf.jackfield_loaders(None) == [GgufLoader]  # type: ignore[arg-type]


def test_a_model_is_recognized_with_its_architecture(smollm2_files: ModelFiles) -> None:
    match = GgufLoader().probe(smollm2_files)
    assert match is not None
    assert "llama" in match.reason


def test_other_formats_are_left_alone(smollm2: Path) -> None:
    assert GgufLoader().probe(ModelFiles(smollm2, "safetensors", 1)) is None


@pytest.mark.parametrize(
    ("metadata", "what"),
    [
        ({"general.architecture": "clip"}, "projector"),
        ({"general.architecture": "llama", "general.type": "adapter"}, "adapter"),
        ({"general.type": "imatrix"}, "quantizing"),
    ],
)
def test_a_file_that_is_only_a_part_is_refused_by_name(
    smollm2: Path, metadata: dict[str, str], what: str
) -> None:
    assert GgufLoader().probe(files(smollm2, **metadata)) is None
    with pytest.raises(LoadFailed, match=what):
        load(smollm2, **metadata)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "not a GGUF file: it is empty"),
        (3, "not a GGUF file"),
        (20, "damaged or cut short"),
        (3000, "damaged or cut short"),
        (1_000_000, "damaged or cut short"),
        (30_000_000, "is cut short: its tensors need 9"),
        (-1, "is cut short: its tensors need 9"),
    ],
)
def test_a_truncated_file_is_named_as_such(
    tmp_path: Path, smollm2: Path, size: int, words: str
) -> None:
    whole = smollm2.read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(whole[:size])
    with pytest.raises(ModelFileError, match=words) as caught:
        load(path)
    assert caught.value.details["path"] == str(path)


def test_a_whole_file_passes(smollm2: Path) -> None:
    header.check(smollm2)


def test_a_text_file_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "notes.gguf"
    path.write_text("Dear diary")
    with pytest.raises(ModelFileError, match=r"'notes.gguf' is not a GGUF file: it begins with"):
        load(path)


def test_a_missing_file_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"'gone.gguf' cannot be read: No such file"):
        GgufLoader().load(ModelFiles(tmp_path / "gone.gguf", "gguf", 1), GgufOptions())


def test_an_old_version_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "old.gguf"
    path.write_bytes(b"GGUF" + (1).to_bytes(4, "little") + bytes(64))
    with pytest.raises(ModelFileError, match="GGUF version 1"):
        load(path)


def test_a_header_of_nonsense_does_not_take_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "nonsense.gguf"
    path.write_bytes(b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 4096)
    with pytest.raises(ModelFileError, match="damaged"):
        load(path)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_unknown_architecture_is_named(tmp_path: Path, smollm2: Path, engine: str) -> None:
    path = tmp_path / "new.gguf"
    path.write_bytes(smollm2.read_bytes().replace(b"llama", b"lxama"))
    with pytest.raises(LoadFailed, match="'lxama'") as caught:
        load(path, engine, **{"general.architecture": "lxama"})
    assert "Update" in caught.value.hint


@pytest.mark.parametrize("engine", ENGINES)
def test_a_missing_engine_is_named_with_what_to_install(
    smollm2: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = engine.replace("-python", "").replace("-", "_")
    monkeypatch.setitem(sys.modules, module, None)
    for name in [name for name in sys.modules if name.startswith("jackfield_loaders.gguf.l")]:
        if "llama_cpp" in name:
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(LoadFailed, match=engine) as caught:
        load(smollm2, engine)
    assert "pip install 'jackfield[gguf" in caught.value.hint


MEASURE = """
import json, sys
from pathlib import Path
import psutil
from jackfield import ModelFiles, Prompt, SamplingParams
from jackfield.catalog.gguf import read_gguf
from jackfield_loaders.gguf import GgufLoader
path, options = Path(sys.argv[1]), GgufLoader.Options(**json.loads(sys.argv[2]))
files = ModelFiles(path, "gguf", path.stat().st_size, read_gguf(path).metadata)
model = GgufLoader().load(files, options)
list(model.complete(Prompt("dog " * (options.n_ctx - 16)), SamplingParams(max_tokens=1)))
measured = psutil.Process().memory_info().rss
print(json.dumps([measured, GgufLoader().estimate(files, options).total]), flush=True)
model.close()
"""


@pytest.mark.parametrize(
    "options",
    [
        {"n_ctx": 512, "parallel": 1},
        {"n_ctx": 1024, "parallel": 8},
        {"n_ctx": 1024, "parallel": 8, "cache_type_k": "q8_0", "cache_type_v": "q8_0"},
        {"n_ctx": 1024, "engine": "llama-cpp-python"},
    ],
    ids=str,
)
def test_the_estimate_is_within_a_quarter_of_what_it_takes(
    smollm2: Path, options: dict[str, Any]
) -> None:
    program = [sys.executable, "-c", MEASURE, str(smollm2), json.dumps({"n_threads": 1} | options)]
    shown = subprocess.run(program, capture_output=True, text=True, timeout=200, check=True)
    measured, estimated = json.loads(shown.stdout.strip().splitlines()[-1])
    assert 0.75 * measured < estimated < 1.25 * measured, (measured, estimated)


def test_the_estimate_counts_every_slot(smollm2_files: ModelFiles) -> None:
    loader = GgufLoader()
    one = loader.estimate(smollm2_files, GgufOptions(n_ctx=2048, parallel=1)).kv_cache
    assert one == 30 * 2 * 3 * 64 * 2 * 2048  # layers, keys and values, heads, length, bytes, n_ctx
    assert loader.estimate(smollm2_files, GgufOptions(n_ctx=2048, parallel=4)).kv_cache == 4 * one
    quantized = GgufOptions(n_ctx=2048, parallel=1, cache_type_k="q8_0", cache_type_v="q8_0")
    assert loader.estimate(smollm2_files, quantized).kv_cache == one * 34 // 64


def test_the_estimate_does_not_count_context_that_the_model_lacks(
    smollm2_files: ModelFiles,
) -> None:
    loader = GgufLoader()
    trained = loader.estimate(smollm2_files, GgufOptions(n_ctx=8192)).kv_cache
    assert loader.estimate(smollm2_files, GgufOptions(n_ctx=100_000)).kv_cache == trained
    assert loader.estimate(smollm2_files, GgufOptions(n_ctx=0)).kv_cache == trained


def test_a_file_without_metadata_has_an_estimate(smollm2: Path) -> None:
    assert GgufLoader().estimate(files(smollm2), GgufOptions()).total > smollm2.stat().st_size


@pytest.mark.parametrize("heads", [[3] * 30, 3])
def test_heads_may_be_given_by_layer(smollm2_files: ModelFiles, heads: Any) -> None:
    metadata = smollm2_files.metadata | {"llama.attention.head_count_kv": heads}
    given = ModelFiles(smollm2_files.path, "gguf", smollm2_files.size, metadata)
    expected = GgufLoader().estimate(smollm2_files, GgufOptions())
    assert GgufLoader().estimate(given, GgufOptions()) == expected
