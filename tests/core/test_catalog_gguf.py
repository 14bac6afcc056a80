"""What the catalog reads of a GGUF file's header."""

import os
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gguf_files import ARRAY, STRING, U32, header, small_gguf, tensor, text, value
from jackfield.catalog.gguf import TENSOR_TYPES, read_gguf
from jackfield.errors import ModelFileError


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return path


def test_the_starter_model_says_what_it_is(smollm2: Path):
    header = read_gguf(smollm2)
    assert header.text("general.architecture") == "llama"
    assert header.parameters == 134_515_008
    assert header.quantization == "Q4_1"
    assert header.number("llama.context_length") == 8192
    assert "<|im_start|>" in header.text("tokenizer.chat_template")
    assert header.needed == smollm2.stat().st_size
    assert header.metadata["tokenizer.ggml.tokens"] == {"length": 49152}


def test_tensor_sizes_agree_with_the_reference_package():
    from gguf.constants import GGML_QUANT_SIZES

    for kind, (block, size) in GGML_QUANT_SIZES.items():
        if kind.name != "Q8_1":  # never stored in files; the package keeps its old layout
            assert TENSOR_TYPES[int(kind)] == (kind.name, block, size)


def test_a_file_written_by_the_reference_package_is_read(tmp_path: Path):
    import gguf
    import numpy

    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "qwen2")
    writer.add_context_length(2048)
    writer.add_file_type(7)
    writer.add_token_list([f"token{number}" for number in range(1000)])
    writer.add_array("some.numbers", list(range(70)))
    writer.add_array("few.words", ["a", "ü"])
    writer.add_tensor("one", numpy.zeros((8, 64), dtype=numpy.float16))
    writer.add_tensor("two", numpy.zeros((3, 5), dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_gguf(tmp_path / "model.gguf")
    assert header.parameters == 8 * 64 + 3 * 5
    assert header.quantization == "Q8_0"
    assert header.number("qwen2.context_length") == 2048
    assert header.metadata["tokenizer.ggml.tokens"] == {"length": 1000}
    assert header.metadata["some.numbers"] == {"length": 70}
    assert header.metadata["few.words"] == ["a", "ü"]


def test_a_truncated_file_is_told_by_both_sizes(tmp_path: Path, smollm2: Path):
    cut = tmp_path / "cut.gguf"
    with smollm2.open("rb") as file:
        cut.write_bytes(file.read(50_000_000))
    with pytest.raises(ModelFileError, match=r"'cut\.gguf' is truncated: 50\.0 of 98\.4 MB"):
        read_gguf(cut)


@pytest.mark.parametrize("length", [4, 7, 20, 30, 60, 100])
def test_a_file_that_ends_in_its_header_is_truncated(tmp_path: Path, length: int):
    whole = small_gguf(tmp_path / "whole.gguf").read_bytes()
    with pytest.raises(ModelFileError, match="truncated"):
        read_gguf(written(tmp_path, whole[:length]))


def test_a_text_file_is_not_a_gguf_file(tmp_path: Path):
    with pytest.raises(ModelFileError, match="is not a GGUF file: it does not begin"):
        read_gguf(written(tmp_path, b"<html>Sign in to download</html>"))


def test_an_empty_file_is_not_a_gguf_file(tmp_path: Path):
    with pytest.raises(ModelFileError, match="is not a GGUF file: it is empty"):
        read_gguf(written(tmp_path, b""))


@pytest.mark.parametrize("version", [0, 1, 4])
def test_other_versions_are_refused_by_number(tmp_path: Path, version: int):
    with pytest.raises(ModelFileError, match=f"GGUF version {version};"):
        read_gguf(written(tmp_path, header(version=version)))


def test_version_2_is_read(tmp_path: Path):
    start = header({"general.architecture": "llama"}, version=2)
    assert read_gguf(written(tmp_path, start)).text("general.architecture") == "llama"


def test_a_big_endian_file_is_named_as_such(tmp_path: Path):
    with pytest.raises(ModelFileError, match="big-endian"):
        read_gguf(written(tmp_path, header(version=3 << 24)))


NUMBERS = struct.pack("<IQ", U32, 1 << 62)
HOSTILE = {
    "a billion entries": header(counts=(0, 1 << 30)),
    "a billion tensors": header(counts=(1 << 30, 0)),
    "a text of exabytes": header([struct.pack("<Q", 1 << 60)]),
    "an array of exabytes": header([text("key") + struct.pack("<I", ARRAY) + NUMBERS]),
    "an array of a billion texts": header(
        [text("key") + struct.pack("<IIQ", ARRAY, STRING, 1 << 30)]
    ),
    "arrays in arrays without end": header(
        [text("key") + struct.pack("<I", ARRAY) + struct.pack("<IQ", ARRAY, 1) * 3000]
    ),
    "a type that does not exist": header([text("key") + struct.pack("<I", 99)]),
    "a tensor with a thousand dimensions": header((), [text("t") + struct.pack("<I", 1000)]),
    "a tensor larger than any disk": header((), [tensor("t", [1 << 40, 1 << 40])]),
    "an alignment of nothing": header([text("general.alignment") + value(0)]),
    "an alignment in words": header([text("general.alignment") + value("wide")]),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_header_is_refused_soon_and_in_little_memory(tmp_path: Path, content: bytes):
    path = written(tmp_path, content)
    os.truncate(path, 1 << 34)  # a sparse file of 16 GB: nothing is stopped by its end
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(ModelFileError, match=r"broken|truncated"):
        read_gguf(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.monotonic() - began < 10
    assert most < 64_000_000


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_header_is_read_or_refused_but_never_breaks_the_reader(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(small_gguf(folder / "a.gguf", some__list=["x"] * 70).read_bytes()[:1500])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(4, 1100))] = data.draw(st.integers(0, 255))
    try:
        assert read_gguf(written(folder, bytes(content))).needed <= len(content)
    except ModelFileError as error:
        assert error.hint


def test_values_of_the_wrong_type_are_taken_as_missing(tmp_path: Path):
    path = small_gguf(
        tmp_path / "odd.gguf",
        llama__context_length="long",
        tokenizer__chat_template=7,
        general__file_type=[1, 2],
    )
    header = read_gguf(path)
    assert header.number("llama.context_length") == 0
    assert header.text("tokenizer.chat_template") == ""
    assert header.quantization == "F32"


def test_a_guessed_file_type_is_read_without_its_mark(tmp_path: Path):
    path = small_gguf(tmp_path / "guessed.gguf", general__file_type=15 + 1024)
    assert read_gguf(path).quantization == "Q4_K_M"


def test_a_file_that_is_missing_says_so(tmp_path: Path):
    with pytest.raises(ModelFileError, match="cannot be read: No such file"):
        read_gguf(tmp_path / "none.gguf")
